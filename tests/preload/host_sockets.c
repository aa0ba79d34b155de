/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_sockets CASE : what befalls the descriptors of an HTTP/1 connection.  Prints "CASE: ok";
 * what spans there must be is told by test_sockets.py.  A case that this kernel does not allow ends
 * with status 77 and says why.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "http_ends.h"

/* So many times text, and nothing else. */
static void assert_file(int fd, const char *text, size_t times)
{
	char buf[512];
	size_t len = strlen(text);

	CHECK(pread(fd, buf, sizeof(buf), 0) == (ssize_t)(times * len));
	for (size_t i = 0; i < times; i++)
		CHECK(memcmp(buf + i * len, text, len) == 0);
}

/* From now on the call of that number fails. */
static void refuse(unsigned number, int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) != 0)
		skip("no seccomp here");
}

/* --- dup and its family --- */

static void dup_fails(void)
{
	struct ends e = ends_open();
	int closed = dup(0);

	CHECK(close(closed) == 0);
	exchange(e, "/1");
	ask(e, "/2");
	for (int i = 0; i < 2; i++) {
		int to = i ? e.server : e.client;

		CHECK(dup2(-1, to) == -1 && errno == EBADF);
		CHECK(dup2(closed, to) == -1 && errno == EBADF);
		CHECK(dup3(closed, to, 0) == -1 && errno == EBADF);
		CHECK(dup3(0, to, O_CLOEXEC | O_APPEND) == -1 && errno == EINVAL);
		CHECK(dup3(to, to, 0) == -1 && errno == EINVAL);
		CHECK(dup2(to, to) == to);
		CHECK(close_range((unsigned)to, (unsigned)to, 1 << 20) == -1 && errno == EINVAL);
	}
	take(e, "/2");
	answer(e);
	exchange(e, "/3");
	ends_close(e);
}

/* As of a file system that could not write, or by a filter. */
static void close_fails(void)
{
	static const int errors[] = { EIO, EINTR };
	struct ends e = ends_open();

	exchange(e, "/1");
	for (size_t i = 0; i < 2; i++) {
		refuse(SYS_close, errors[i]);
		CHECK(close(0) == -1 && errno == errors[i]);
		CHECK(close(i ? e.server : e.client) == -1 && errno == errors[i]);
	}
}

/* EBUSY, EINTR: a race with open() of another thread, which a filter stands for. */
static void dup_is_interrupted(void)
{
	static const int errors[] = { EBUSY, EINTR };
	struct ends e = ends_open();

	ask(e, "/1");
	for (size_t i = 0; i < 2; i++) {
		refuse(SYS_dup2, errors[i]);
		refuse(SYS_dup3, errors[i]);
		CHECK(dup2(0, e.server) == -1 && errno == errors[i]);
		CHECK(dup3(0, e.client, O_CLOEXEC) == -1 && errno == errors[i]);
	}
	take(e, "/1");
	answer(e);
	exchange(e, "/2");
	ends_close(e);
}

/* The JVM closes sockets like that. */
static void dup_over_a_connection(void)
{
	static const char text[] = "GET /file HTTP/1.1\r\nHost: h\r\n\r\n";
	struct ends e = ends_open();
	int file;

	exchange(e, "/1");
	ask(e, "/2");
	take(e, "/2");
	file = memfd_create("file", 0);
	CHECK(dup2(file, e.client) == e.client);
	CHECK(dup3(file, e.server, 0) == e.server);
	put(e.client, text);
	put(e.server, text);
	assert_file(file, text, 2);
	ends_close(e);
}

static void dup_leads_to_the_same(void)
{
	struct ends e = ends_open(), d = { 700, 701 };

	ask(e, "/1");
	CHECK(dup2(e.server, d.server) == d.server);
	take(d, "/1");
	CHECK(close(e.server) == 0);
	e.server = fcntl(d.server, F_DUPFD, 702);
	CHECK(e.server >= 702 && close(d.server) == 0);
	CHECK(dup3(e.client, d.client, O_CLOEXEC) == d.client && close(e.client) == 0);
	answer((struct ends){ d.client, e.server });
	e.client = fcntl64(d.client, F_DUPFD_CLOEXEC, 0);
	ask(e, "/2");
	d.server = fcntl64(e.server, F_DUPFD, 0);
	take(d, "/2");
	CHECK(dup(d.server) >= 0 && close(d.server) == 0);
	answer((struct ends){ d.client, e.server });
	d.server = fcntl(e.server, F_DUPFD_CLOEXEC, 1000);
	exchange((struct ends){ e.client, d.server }, "/3");
	/* The connection ends with the last of them, and what was asked meanwhile with it. */
	ask(e, "/4");
	take(e, "/4");
	closefrom(3);
}

/* --- what libc does with a descriptor on its own --- */

#define REQUEST "GET /file HTTP/1.1\r\nHost: h\r\n\r\n"

/* A file that gets the number that was closed; text goes into it or comes out of it. */
static void reuse(int number, bool is_written, const char *text)
{
	int fd;

	do
		fd = open(".", O_TMPFILE | O_RDWR, 0600);
	while (fd >= 0 && fd < number);
	CHECK(fd == number);
	if (is_written)
		put(fd, text);
	else
		CHECK(pwrite(fd, text, strlen(text), 0) == (ssize_t)strlen(text));
	assert_file(fd, text, 1);
	if (!is_written)
		CHECK(strcmp(get(fd, text), text) == 0);
	CHECK(close(fd) == 0);
}

static void stdio_closes_client(void)
{
	struct ends e = ends_open();

	exchange(e, "/1");
	CHECK(fclose(fdopen(e.client, "r+")) == 0);
	reuse(e.client, true, REQUEST);
	CHECK(close(e.server) == 0);
}

static void stdio_closes_server(void)
{
	struct ends e = ends_open();

	ask(e, "/1");
	take(e, "/1");
	CHECK(fclose(fdopen(e.server, "r+")) == 0);
	reuse(e.server, true, NO_CONTENT);
	CHECK(read(e.client, &(char){ 0 }, 1) == 0);
	CHECK(close(e.client) == 0);
}

static void stdio_answers(void)
{
	struct ends e = ends_open();
	FILE *f;

	ask(e, "/1");
	take(e, "/1");
	f = fdopen(e.server, "w");
	CHECK(fputs(NO_CONTENT, f) >= 0 && fclose(f) == 0);
	CHECK(strcmp(get(e.client, "\r\n\r\n"), NO_CONTENT) == 0);
	CHECK(close(e.client) == 0);
}

int __dprintf_chk(int fd, int flag, const char *format, ...);
int __vdprintf_chk(int fd, int flag, const char *format, va_list args);

__attribute__((format(printf, 3, 4))) static int print(int fd, int how, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = how ? __vdprintf_chk(fd, 1, format, args) : vdprintf(fd, format, args);
	va_end(args);
	return n;
}

static void dprintf_answers(void)
{
	static const char format[] = "HTTP/1.%d %d No Content%s", end[] = "\r\n\r\n";
	int len = sizeof(NO_CONTENT) - 1;

	for (int i = 0; i < 4; i++) {
		struct ends e = ends_open();
		char path[] = { '/', (char)('1' + i), 0 };

		ask(e, path);
		take(e, path);
		if (i == 0)
			CHECK(dprintf(e.server, "HTTP/1.%d %d No Content%s", 1, 204, end) == len);
		else if (i == 1)
			CHECK(__dprintf_chk(e.server, 1, format, 1, 204, end) == len);
		else
			CHECK(print(e.server, i - 2, "HTTP/1.%d %d No Content%s", 1, 204, end) ==
			      len);
		CHECK(strcmp(get(e.client, end), NO_CONTENT) == 0);
		ends_close(e);
	}
}

/* --- descriptors that are closed unseen: no hook is on this way --- */

static int unseen_close(int fd)
{
	static int (*libc_close)(int);

	if (!libc_close)
		libc_close = (int (*)(int))dlsym(dlopen("libc.so.6", RTLD_NOW), "close");
	return libc_close(fd);
}

/* Whoever answers where we do not see it: what became of the request is not known. */
static void unseen_answer(void)
{
	ssize_t (*libc_write)(int, const void *, size_t) =
		(ssize_t(*)(int, const void *, size_t))dlsym(dlopen("libc.so.6", RTLD_NOW),
							     "write");
	char *argv[] = { "sh", "-c", "printf 'HTTP/1.1 204 No Content\\r\\n\\r\\n'", NULL };
	posix_spawn_file_actions_t actions;

	for (int i = 0; i < 2; i++) {
		struct ends e = ends_open();
		int status;
		pid_t child;

		ask(e, "/1");
		take(e, "/1");
		if (i) {
			CHECK(libc_write(e.server, NO_CONTENT, sizeof(NO_CONTENT) - 1) > 0);
		} else {
			posix_spawn_file_actions_init(&actions);
			posix_spawn_file_actions_adddup2(&actions, e.server, 1);
			CHECK(posix_spawn(&child, "/bin/sh", &actions, NULL, argv, NULL) == 0);
			CHECK(waitpid(child, &status, 0) == child && status == 0);
		}
		CHECK(close(e.server) == 0);
		CHECK(strcmp(get(e.client, "\r\n\r\n"), NO_CONTENT) == 0);
		CHECK(close(e.client) == 0);
	}
}

static void unseen_close_client(void)
{
	struct ends e = ends_open();

	exchange(e, "/1");
	CHECK(unseen_close(e.client) == 0);
	reuse(e.client, true, REQUEST);
	CHECK(close(e.server) == 0);
}

static void unseen_close_server(void)
{
	struct ends e = ends_open();

	exchange(e, "/1");
	CHECK(unseen_close(e.server) == 0);
	reuse(e.server, false, REQUEST);
	CHECK(close(e.client) == 0);
}

static void unseen_close_before_socketpair(void)
{
	struct ends e = ends_open();
	int pair[2];

	ask(e, "/1");
	while (open("/dev/null", O_RDONLY) < e.server) /* until no other number is left */
		;
	CHECK(unseen_close(e.client) == 0 && unseen_close(e.server) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	CHECK(pair[0] == e.client && pair[1] == e.server);
	exchange((struct ends){ pair[0], pair[1] }, "/pair");
	exchange((struct ends){ pair[1], pair[0] }, "/pair");
	ends_close((struct ends){ pair[0], pair[1] });
}

static int unseen_socket(int number)
{
	int (*libc_socket)(int, int, int) =
		(int (*)(int, int, int))dlsym(dlopen("libc.so.6", RTLD_NOW), "socket");
	int fd;

	do
		fd = libc_socket(AF_UNIX, SOCK_STREAM, 0);
	while (fd >= 0 && fd < number);
	CHECK(fd == number);
	return fd;
}

/* A name of the abstract space; len 0: any, which who has one may "take" again. */
static int take_name(int fd, const char *text)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int len = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "%s%d", text, getpid());

	return bind(fd, (struct sockaddr *)&name,
		    (socklen_t)(sizeof(sa_family_t) + (*text ? 1 + (size_t)len : 0)));
}

/* To take a name is the first that is seen of them. */
static void unseen_close_before_bind(void)
{
	for (int i = 0; i < 2; i++) {
		struct ends e = ends_open(), after;
		int number = i ? e.server : e.client;
		char path[] = { '/', (char)('1' + i), 0 };

		ask(e, path);
		take(e, path);
		CHECK(unseen_close(number) == 0);
		CHECK(take_name(unseen_socket(number), path) == 0);
		after = ends_open();
		exchange(after, "/after");
		ends_close(after);
		ends_close(e);
	}
}

/* A local one takes a name at any time, and goes on. */
static void bind_of_a_connection(void)
{
	struct sockaddr_un name;
	socklen_t len = sizeof(name);
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	struct ends e = { .client = socket(AF_UNIX, SOCK_STREAM, 0) };

	CHECK(take_name(listener, "listener") == 0 && listen(listener, 1) == 0);
	CHECK(getsockname(listener, (struct sockaddr *)&name, &len) == 0);
	CHECK(connect(e.client, (struct sockaddr *)&name, len) == 0);
	e.server = accept(listener, NULL, NULL);
	ask(e, "/1");
	CHECK(take_name(e.client, "client") == 0);
	CHECK(take_name(e.server, "") == 0);
	CHECK(take_name(e.server, "server") == -1 && errno == EINVAL);
	take(e, "/1");
	answer(e);
	ends_close(e);
	e = ends_open();
	ask(e, "/2");
	CHECK(take_name(e.client, "") == -1);
	take(e, "/2");
	answer(e);
	ends_close(e);
}

/* --- descriptors in messages --- */

static void send_fd(int over, int fd, bool is_many)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .align = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec iov = { "x", 1 };
	struct mmsghdr m = { .msg_hdr = { .msg_iov = &iov,
					  .msg_iovlen = 1,
					  .msg_control = &control,
					  .msg_controllen = sizeof(control) } };

	memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
	CHECK(is_many ? sendmmsg(over, &m, 1, 0) == 1 : sendmsg(over, &m.msg_hdr, 0) == 1);
}

static int receive_fd(int over, bool is_many)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char c;
	struct iovec iov = { &c, 1 };
	struct mmsghdr m = { .msg_hdr = { .msg_iov = &iov,
					  .msg_iovlen = 1,
					  .msg_control = &control,
					  .msg_controllen = sizeof(control) } };
	int fd;

	CHECK(is_many ? recvmmsg(over, &m, 1, 0, NULL) == 1 : recvmsg(over, &m.msg_hdr, 0) == 1);
	memcpy(&fd, CMSG_DATA(&control.align), sizeof(fd));
	return fd;
}

/* Who got it answers; we cannot know whether, or what. */
static void rights_to_a_child(void)
{
	for (int i = 0; i < 2; i++) {
		int over[2], status;
		struct ends e;
		pid_t child;

		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, over) == 0);
		child = fork(); /* before there is anything to inherit */
		if (child == 0) {
			put(receive_fd(over[1], i), NO_CONTENT);
			_exit(0);
		}
		e = ends_open();
		exchange(e, "/1");
		ask(e, "/2");
		take(e, "/2");
		send_fd(over[0], e.server, i);
		CHECK(close(e.server) == 0);
		CHECK(strcmp(get(e.client, "\r\n\r\n"), NO_CONTENT) == 0);
		CHECK(waitpid(child, &status, 0) == child && status == 0);
		CHECK(close(e.client) == 0 && close(over[0]) == 0 && close(over[1]) == 0);
	}
}

/* A copy of the descriptor: how it ends is not known here, though the span is still open. */
static void a_child_answers(void)
{
	struct ends e = ends_open();
	int status;
	pid_t child;

	exchange(e, "/1");
	ask(e, "/2");
	take(e, "/2");
	child = fork();
	if (child == 0) {
		put(e.server, NO_CONTENT);
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK(strcmp(get(e.client, "\r\n\r\n"), NO_CONTENT) == 0);
	ends_close(e);
}

/* What came has a new number, and is unknown. */
static void rights_to_ourselves(void)
{
	struct ends e = ends_open(), got;
	int over[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, over) == 0);
	exchange(e, "/1");
	ask(e, "/2");
	take(e, "/2");
	send_fd(over[0], e.client, false);
	send_fd(over[0], e.server, false);
	got.client = receive_fd(over[1], false);
	got.server = receive_fd(over[1], true);
	answer(got);
	ends_close(e);
	ask(got, "/3");
	take_bare(got, "/3");
	answer(got);
	ends_close(got);
}

/* A refused message hands nothing on. */
static void rights_refused(void)
{
	struct ends e = ends_open();
	int over[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, over) == 0 && close(over[1]) == 0);
	CHECK(signal(SIGPIPE, SIG_IGN) == SIG_DFL);
	for (int i = 0; i < 2; i++) {
		union {
			char bytes[CMSG_SPACE(sizeof(int))];
			struct cmsghdr align;
		} control = { .align = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
		struct iovec iov = { "x", 1 };
		struct msghdr m = { .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = &control,
				    .msg_controllen = sizeof(control) };

		memcpy(CMSG_DATA(&control.align), i ? &e.client : &e.server, sizeof(int));
		CHECK(sendmsg(over[0], &m, 0) == -1 && errno == EPIPE);
	}
	exchange(e, "/1");
	ends_close(e);
}

static void rights_get_an_old_number(void)
{
	struct ends e = ends_open();
	int over[2], file = memfd_create("file", 0), got;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, over) == 0);
	exchange(e, "/1");
	ask(e, "/2");
	take(e, "/2");
	send_fd(over[0], file, false);
	while (open("/dev/null", O_RDONLY) < e.server)
		;
	CHECK(unseen_close(e.server) == 0);
	got = receive_fd(over[1], false);
	CHECK(got == e.server);
	put(got, NO_CONTENT); /* not the answer to what was asked */
	assert_file(got, NO_CONTENT, 1);
	CHECK(close(got) == 0 && close(e.client) == 0);
}

/* --- sockets that are connected again --- */

/* The peer's port is in Host, too. */
static void exchange_with(int client, int listener)
{
	struct sockaddr_in at;
	socklen_t len = sizeof(at);
	struct ends e = { client, accept(listener, NULL, NULL) };
	char text[128];

	CHECK(getsockname(listener, (struct sockaddr *)&at, &len) == 0);
	snprintf(text, sizeof(text), "GET /port HTTP/1.1\r\nHost: h:%d\r\n\r\n",
		 ntohs(at.sin_port));
	put(client, text);
	take_head(e.server);
	answer(e);
	CHECK(close(e.server) == 0);
}

static int listen_at(struct sockaddr_in *at)
{
	socklen_t len = sizeof(*at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	CHECK(bind(fd, (struct sockaddr *)at, len) == 0 && listen(fd, 2) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)at, &len) == 0);
	return fd;
}

static bool has(int fd, int status, int descriptor)
{
	return (fcntl(fd, F_GETFL) & O_NONBLOCK) == status && fcntl(fd, F_GETFD) == descriptor;
}

/* Each with the flags that it was asked for, and no others. */
static void accepted_as_asked(void)
{
	static const int flags[] = { 0, SOCK_NONBLOCK, SOCK_CLOEXEC, SOCK_NONBLOCK | SOCK_CLOEXEC };
	struct sockaddr_in at;
	int listener = listen_at(&at);

	for (size_t i = 0; i < 5; i++) {
		struct ends e = { .client = socket(AF_INET, SOCK_STREAM, 0) };

		CHECK(connect(e.client, (struct sockaddr *)&at, sizeof(at)) == 0);
		e.server = i < 4 ? accept4(listener, NULL, NULL, flags[i]) :
				   accept(listener, NULL, NULL);
		CHECK(has(e.client, 0, 0));
		CHECK(has(e.server, i % 2 ? O_NONBLOCK : 0, i / 2 == 1 ? FD_CLOEXEC : 0));
		CHECK(fcntl(e.server, F_SETFL, 0) == 0);
		exchange(e, "/1");
		ends_close(e);
	}
	errno = 0;
	CHECK(accept4(listener, NULL, NULL, 1) == -1 && errno == EINVAL);
	CHECK(close(listener) == 0);
}

static void connect_again(void)
{
	struct sockaddr_in first, second, nobody;
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	int one = listen_at(&first), two = listen_at(&second), refusing = listen_at(&nobody);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct pollfd p = { .fd = client, .events = POLLOUT };

	CHECK(close(refusing) == 0);
	CHECK(connect(client, (struct sockaddr *)&nobody, sizeof(nobody)) == -1);
	CHECK(errno == EINPROGRESS || errno == ECONNREFUSED);
	if (errno == EINPROGRESS) {
		CHECK(poll(&p, 1, -1) == 1);
		CHECK(connect(client, (struct sockaddr *)&nobody, sizeof(nobody)) == -1);
		CHECK(errno == ECONNREFUSED);
	}
	CHECK(connect(client, (struct sockaddr *)&first, sizeof(first)) == -1);
	CHECK(errno == EINPROGRESS && poll(&p, 1, -1) == 1);
	CHECK(connect(client, (struct sockaddr *)&first, sizeof(first)) == 0); /* how is it? */
	CHECK(fcntl(client, F_SETFL, 0) == 0);
	exchange_with(client, one);
	CHECK(read(client, &(char){ 0 }, 1) == 0);
	CHECK(connect(client, (struct sockaddr *)&first, sizeof(first)) == -1 && errno == EISCONN);
	CHECK(connect(client, &none, sizeof(none)) == 0);
	CHECK(connect(client, (struct sockaddr *)&second, sizeof(second)) == 0);
	put(client, "GET /half HTTP/1.1\r\nX: ");
	CHECK(close(accept(two, NULL, NULL)) == 0);
	CHECK(connect(client, &none, sizeof(none)) == 0);
	CHECK(connect(client, (struct sockaddr *)&second, sizeof(second)) == 0);
	exchange_with(client, two);
	CHECK(close(client) == 0);
}

/* --- numbers --- */

/* The kernel looks at the lower half of the call's number, and of the descriptor's. */
static void close_by_number(void)
{
	static const struct {
		long number, fd;
	} upper[] = { { 0, 0 }, { 1l << 32, 0 }, { 0, 5l << 32 }, { ~0xffffffffl, ~0xffffffffl } };

	for (size_t i = 0; i < 4; i++) {
		struct ends e = ends_open();
		char path[] = { '/', (char)('1' + i), 0 };

		ask(e, path);
		take(e, path);
		CHECK(syscall(SYS_close | upper[i].number, e.server | upper[i].fd) == 0);
		CHECK(fcntl(e.server, F_GETFD) == -1 && errno == EBADF);
		CHECK(read(e.client, &(char){ 0 }, 1) == 0);
		CHECK(close(e.client) == 0);
	}
}

static void close_range_by_number(void)
{
	struct ends e = ends_open();
	unsigned first = (unsigned)e.client, last = (unsigned)e.server;

	ask(e, "/1");
	take(e, "/1");
	errno = 0;
	CHECK(syscall(SYS_close_range, first, last, 1u << 20) == -1 && errno == EINVAL);
	CHECK(syscall(SYS_close_range, last, first, 0u) == -1 && errno == EINVAL);
	CHECK(syscall(SYS_close_range, first, last, (unsigned)CLOSE_RANGE_CLOEXEC) == 0);
	answer(e);
	ask(e, "/2");
	take(e, "/2");
	CHECK(syscall(SYS_close_range | 1l << 32, first | 9l << 32, last | 8l << 32, 0u) == 0);
	CHECK(fcntl(e.server, F_GETFD) == -1 && fcntl(e.client, F_GETFD) == -1);
}

static void close_range_by_name(void)
{
	struct ends e = ends_open();
	unsigned first = (unsigned)e.client, last = (unsigned)e.server;

	ask(e, "/1");
	take(e, "/1");
	errno = 0;
	CHECK(close_range(first, last, 1 << 20) == -1 && errno == EINVAL);
	CHECK(close_range(last, first, 0) == -1 && errno == EINVAL);
	CHECK(close_range(first, last, CLOSE_RANGE_CLOEXEC) == 0);
	answer(e);
	ask(e, "/2");
	take(e, "/2");
	CHECK(close_range(first, last, 0) == 0);
	CHECK(fcntl(e.server, F_GETFD) == -1 && fcntl(e.client, F_GETFD) == -1);
	reuse((int)first, true, REQUEST);
	reuse((int)last, false, REQUEST);
}

/* Of the table, or the last that this machine allows. */
static void the_last_number(void)
{
	struct ends e = ends_open(), d;
	struct rlimit limit;

	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	if (setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 1 << 20, 1 << 20 }) != 0) {
		limit.rlim_cur = limit.rlim_max < 1 << 20 ? limit.rlim_max : 1 << 20;
		CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	}
	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	d.client = (int)limit.rlim_cur - 2;
	d.server = (int)limit.rlim_cur - 1;
	CHECK(dup2(e.client, d.client) == d.client && dup2(e.server, d.server) == d.server);
	ends_close(e);
	exchange(d, "/1");
	ends_close(d);
}

/* Unknown: passed through, on both sides of the boundary. */
static void a_number_beyond_the_table(void)
{
	struct ends e = ends_open(), d = { 1 << 20, (1 << 20) + 64 };

	if (setrlimit(RLIMIT_NOFILE, &(struct rlimit){ (1 << 20) + 65, (1 << 20) + 65 }) != 0)
		skip("RLIMIT_NOFILE cannot be raised that far");
	exchange(e, "/1");
	CHECK(dup2(e.client, d.client) == d.client && dup2(e.server, d.server) == d.server);
	exchange(e, "/2");
	ask(d, "/3");
	take_bare(d, "/3");
	answer(d);
	ends_close(d);
	ends_close(e);
}

static const struct host_case cases[] = {
	{ "close_fails", close_fails },
	{ "dup_fails", dup_fails },
	{ "dup_is_interrupted", dup_is_interrupted },
	{ "dup_over_a_connection", dup_over_a_connection },
	{ "dup_leads_to_the_same", dup_leads_to_the_same },
	{ "stdio_closes_client", stdio_closes_client },
	{ "stdio_closes_server", stdio_closes_server },
	{ "stdio_answers", stdio_answers },
	{ "dprintf_answers", dprintf_answers },
	{ "unseen_answer", unseen_answer },
	{ "unseen_close_client", unseen_close_client },
	{ "unseen_close_server", unseen_close_server },
	{ "unseen_close_before_socketpair", unseen_close_before_socketpair },
	{ "unseen_close_before_bind", unseen_close_before_bind },
	{ "bind_of_a_connection", bind_of_a_connection },
	{ "rights_to_a_child", rights_to_a_child },
	{ "a_child_answers", a_child_answers },
	{ "rights_to_ourselves", rights_to_ourselves },
	{ "rights_refused", rights_refused },
	{ "rights_get_an_old_number", rights_get_an_old_number },
	{ "accepted_as_asked", accepted_as_asked },
	{ "connect_again", connect_again },
	{ "close_by_number", close_by_number },
	{ "close_range_by_number", close_range_by_number },
	{ "close_range_by_name", close_range_by_name },
	{ "the_last_number", the_last_number },
	{ "a_number_beyond_the_table", a_number_beyond_the_table },
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	return run_case(cases, argc, argv);
}
