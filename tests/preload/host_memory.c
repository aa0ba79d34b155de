/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_memory CASE : calls on the connections of HTTP/1 with pointers to memory that is not there,
 * or cannot be read or written: what the kernel refuses it must be let see, EFAULT and not our
 * crash.  Prints "CASE: ok"; what spans there must be is told by test_sockets.py.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/uio.h>

#include "http_ends.h"

static void pointers_to_nowhere(void)
{
	static volatile int counts[] = { -1, 1025 };
	void *volatile const places[] = { NULL, (void *)16, (void *)-1l, (void *)-4096l };
	struct ends e = ends_open();
	int ends[] = { e.client, e.server };

	exchange(e, "/1");
	for (size_t i = 0; i < 8; i++) {
		void *at = places[i / 2];
		struct iovec iov = { at, 10 };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
		int fd = ends[i % 2];

		errno = 0;
		if (i < 4)
			CHECK(write(fd, at, 0) == 0 && send(fd, at, 0, 0) == 0);
		CHECK(write(fd, at, 10) == -1 && errno == EFAULT);
		CHECK(send(fd, at, 10, 0) == -1 && errno == EFAULT);
		CHECK(sendto(fd, at, 10, 0, NULL, 0) == -1 && errno == EFAULT);
		CHECK(writev(fd, &iov, 1) == -1 && writev(fd, at, 1) == -1 && errno == EFAULT);
		CHECK(pwritev2(fd, &iov, 1, -1, 0) == -1 && errno == EFAULT);
		CHECK(pwritev2(fd, at, 1, -1, 0) == -1 && errno == EFAULT);
		CHECK(sendmsg(fd, &msg, 0) == -1 && errno == EFAULT);
		msg.msg_iov = at;
		CHECK(sendmsg(fd, &msg, 0) == -1 && errno == EFAULT);
		CHECK(sendmsg(fd, at, 0) == -1 && errno == EFAULT);
		CHECK(sendmmsg(fd, at, 1, 0) == -1 && errno == EFAULT);
		CHECK(recvmsg(fd, at, MSG_DONTWAIT) == -1 && errno == EFAULT);
		for (int j = 0; j < 2; j++)
			CHECK(writev(fd, &iov, counts[j]) == -1 && errno == EINVAL);
	}
	ask(e, "/2");
	for (size_t i = 0; i < 4; i++) {
		CHECK(read(e.server, places[i], 10) == -1 && errno == EFAULT);
		CHECK(readv(e.server, places[i], 1) == -1 && errno == EFAULT);
	}
	take(e, "/2");
	answer(e);
	ends_close(e);
}

/* --- memory that cannot be read, though its address is one like others --- */

#define PAGE 4096

/* Two pages: of the second nothing can be read. */
static char *half_there(int how)
{
	int file = file_of("", PAGE);
	char *p = how == 2 ? mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) :
			     mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED && close(file) == 0);
	CHECK(how != 0 || mprotect(p + PAGE, PAGE, PROT_NONE) == 0);
	CHECK(how != 1 || munmap(p + PAGE, PAGE) == 0);
	return p;
}

#define REFUSED(call)                                   \
	do {                                            \
		errno = 0;                              \
		CHECK((call) == -1 && errno == EFAULT); \
	} while (0)

static void refused(int fd, char *p)
{
	char *bad = p + PAGE;
	struct iovec iov[] = { { p, 9 }, { bad, 10 } }, *edge = (void *)(bad - sizeof(*iov));
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	struct mmsghdr many = { .msg_hdr = msg };

	REFUSED(write(fd, bad, 10));
	REFUSED(write(fd, bad - 9, 100));
	REFUSED(write(fd, bad - 9, 3 << 20));
	REFUSED(send(fd, bad, 10, 0));
	REFUSED(sendto(fd, bad - 9, 100, 0, NULL, 0));
	REFUSED(writev(fd, iov, 2));
	REFUSED(writev(fd, (void *)bad, 2));
	REFUSED(pwritev2(fd, (void *)bad, 2, -1, 0));
	*edge = *iov;
	REFUSED(writev(fd, edge, 2));
	REFUSED(sendmsg(fd, &msg, 0));
	REFUSED(sendmmsg(fd, &many, 1, 0));
	msg.msg_iov = edge;
	REFUSED(sendmsg(fd, &msg, 0));
	REFUSED(sendmsg(fd, (void *)(bad - 8), 0));
}

static void memory_that_is_not_there(void)
{
	for (int how = 0; how < 3; how++) {
		char *p = half_there(how);

		for (int is_server = 0; is_server < 2; is_server++) {
			struct ends e = ends_open();

			exchange(e, "/1");
			refused(is_server ? e.server : e.client, p);
			exchange(e, "/2");
			ends_close(e);
		}
	}
}

/* Then all goes on: the head's end is in memory that is. */
static void memory_that_is_not_there_in_a_head(void)
{
	for (int how = 0; how < 3; how++) {
		char *p = half_there(how);
		struct iovec iov[] = { { (void *)"Host: ", 6 }, { p + PAGE, 10 } };
		struct ends e = ends_open();

		exchange(e, "/1");
		put(e.client, "GET /2 HTTP/1.1\r\n");
		REFUSED(write(e.client, p + PAGE, 10));
		REFUSED(writev(e.client, iov, 2));
		put(e.client, "Host: h\r\n\r\n");
		take_bare(e, "/2");
		answer(e);
		ends_close(e);
	}
}

/* Nobody reads it: it may lie where it is not yet, and is sent as far as it is there. */
static void body_that_is_not_there(void)
{
	char head[] = "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n";
	char *p = half_there(0);
	struct ends e = ends_open();
	struct iovec iov[] = { { head, sizeof(head) - 1 }, { p + PAGE, 10 } };

	REFUSED(writev(e.client, iov, 2));
	iov[1].iov_base = p;
	CHECK(writev(e.client, iov, 2) == sizeof(head) - 1 + 10);
	take_head(e.server);
	take_bytes(e.server, 10);
	answer(e);
	ends_close(e);
}

static void waits_for_nothing_there(void)
{
	char *p = half_there(0);
	struct timeval none = { 0, 0 };
	struct ends e = ends_open();
	int epoll = epoll_create1(0);

	exchange(e, "/1");
	for (int i = 0; i < 2; i++) {
		fd_set *bad = i ? (void *)(p + PAGE) : (void *)16;

		REFUSED(select(64, bad, NULL, NULL, &none));
		REFUSED(select(64, NULL, bad, NULL, &none));
		REFUSED(select(64, NULL, NULL, bad, &none));
		REFUSED(poll((void *)bad, 1, 0));
		REFUSED(epoll_ctl(epoll, EPOLL_CTL_ADD, e.server, (void *)bad));
		REFUSED(connect(e.client, (void *)bad, sizeof(struct sockaddr_in)));
	}
	exchange(e, "/2");
	ends_close(e);
}

/*
 * A vector of messages that cannot be written: each is sent before the kernel finds that out, and
 * those whose length it could write are counted.
 */
static void lengths_that_cannot_be_written(void)
{
	char first[] = "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n";
	char second[] = "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n";
	struct iovec iov[] = { { first, sizeof(first) - 1 }, { second, sizeof(second) - 1 } };
	char *p = half_there(3);
	struct mmsghdr *at = (void *)(p + PAGE - sizeof(*at));
	struct ends e = ends_open();

	CHECK(mprotect(p, 2 * PAGE, PROT_READ | PROT_WRITE) == 0);
	for (int i = 0; i < 2; i++)
		at[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &iov[i], .msg_iovlen = 1 } };
	((char *)(at + 1))[-1] = 7; /* behind the length, and nobody's */
	CHECK(mprotect(p + PAGE, PAGE, PROT_READ) == 0);
	CHECK(sendmmsg(e.client, at, 2, 0) == 1);
	CHECK(at[0].msg_len == sizeof(first) - 1 && ((char *)(at + 1))[-1] == 7);
	for (int i = 0; i < 2; i++) {
		take_head(e.server);
		answer(e);
	}
	REFUSED(sendmmsg(e.client, at + 1, 1, 0));
	take(e, "/2");
	answer(e);
	ends_close(e);
}

static const struct host_case cases[] = {
	{ "pointers_to_nowhere", pointers_to_nowhere },
	{ "memory_that_is_not_there", memory_that_is_not_there },
	{ "memory_that_is_not_there_in_a_head", memory_that_is_not_there_in_a_head },
	{ "body_that_is_not_there", body_that_is_not_there },
	{ "waits_for_nothing_there", waits_for_nothing_there },
	{ "lengths_that_cannot_be_written", lengths_that_cannot_be_written },
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	return run_case(cases, argc, argv);
}
