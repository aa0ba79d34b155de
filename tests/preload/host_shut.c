/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_shut CASE : a server says by shutdown() that it will send no more, and keeps the descriptor.
 * Prints "CASE: ok"; what spans there must be is told by test_shut.py.  Whatever follows on another
 * connection, by the path /later, begins after it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/wait.h>

#include "http_ends.h"

static struct ends asked(void)
{
	struct ends e = ends_open();

	ask(e, "/1");
	take(e, "/1");
	return e;
}

static void later(void)
{
	struct ends e = ends_open();

	exchange(e, "/later");
	ends_close(e);
}

/* As a server does that will close when its poller comes round. */
static void after_a_reset(void)
{
	struct ends e = asked();

	CHECK(setsockopt(e.client, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 },
			 sizeof(struct linger)) == 0);
	CHECK(close(e.client) == 0);
	CHECK(send(e.server, NO_CONTENT, sizeof(NO_CONTENT) - 1, MSG_NOSIGNAL) == -1);
	CHECK(errno == ECONNRESET || errno == EPIPE);
	CHECK(shutdown(e.server, SHUT_WR) == -1 && errno == ENOTCONN);
	later();
	CHECK(close(e.server) == 0);
}

static void without_an_answer(int how)
{
	struct ends e = asked();

	CHECK(shutdown(e.server, how) == 0);
	later();
	ends_close(e);
}

static void one_way(void)
{
	without_an_answer(SHUT_WR);
}

static void both_ways(void)
{
	without_an_answer(SHUT_RDWR);
}

/* Of a body to the end of the connection. */
static void after_a_body(void)
{
	struct ends e = asked();

	put(e.server, "HTTP/1.0 200 OK\r\n\r\nbody");
	CHECK(shutdown(e.server, SHUT_WR) == 0);
	later();
	CHECK(strcmp(get(e.client, "body"), "HTTP/1.0 200 OK\r\n\r\nbody") == 0);
	ends_close(e);
}

static void in_a_body(void)
{
	struct ends e = asked();

	put(e.server, HELLO "hel");
	CHECK(shutdown(e.server, SHUT_WR) == 0);
	later();
	ends_close(e);
}

/* The way in, and what the kernel refuses: the answer comes. */
static void not_the_way_out(void)
{
	struct ends e = asked();

	CHECK(shutdown(e.server, SHUT_RD) == 0);
	CHECK(shutdown(e.server, 3) == -1 && errno == EINVAL);
	CHECK(shutdown(e.server, -1) == -1 && errno == EINVAL);
	later();
	answer(e);
	ends_close(e);
}

static void by_the_client(void)
{
	struct ends e = asked();

	CHECK(shutdown(e.client, SHUT_WR) == 0);
	later();
	answer(e);
	ends_close(e);
}

/* Who has started a process since does not know whether it has the connection, and will answer. */
static void beside_a_child(void)
{
	struct ends e = asked();
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	put(e.server, "HTTP/1.0 200 OK\r\n\r\nbody");
	CHECK(shutdown(e.server, SHUT_WR) == 0);
	get(e.client, "body");
	CHECK(read(e.client, &(char){ 0 }, 1) == 0);
	later();
	ends_close(e);
}

/* By a call that no hook sees. */
static void unseen_answer(void)
{
	void *libc_write = dlsym(dlopen("libc.so.6", RTLD_NOW), "write");
	struct ends e = asked();

	CHECK(((ssize_t(*)(int, const void *, size_t))libc_write)(e.server, NO_CONTENT,
								  sizeof(NO_CONTENT) - 1) > 0);
	CHECK(shutdown(e.server, SHUT_WR) == 0);
	CHECK(strcmp(get(e.client, "\r\n\r\n"), NO_CONTENT) == 0);
	later();
	ends_close(e);
}

static const struct host_case cases[] = {
	{ "after_a_reset", after_a_reset }, { "one_way", one_way },
	{ "both_ways", both_ways },         { "after_a_body", after_a_body },
	{ "in_a_body", in_a_body },         { "not_the_way_out", not_the_way_out },
	{ "by_the_client", by_the_client }, { "beside_a_child", beside_a_child },
	{ "unseen_answer", unseen_answer }, { NULL, NULL },
};

int main(int argc, char **argv)
{
	return run_case(cases, argc, argv);
}
