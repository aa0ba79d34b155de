/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_sockets CASE : HTTP/1 between two descriptors of one process, by one thread, and what
 * befalls descriptors meanwhile.  Prints "CASE: ok"; what spans there must be is told by
 * test_sockets.py.  A case that this kernel does not allow ends with status 77 and says why.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/errqueue.h>
#include <linux/filter.h>
#include <linux/net_tstamp.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static void check(int line, int holds)
{
	if (!holds) {
		fprintf(stderr, "line %d: errno %d\n", line, errno);
		exit(1);
	}
}
#define CHECK(what) check(__LINE__, (what))

static void skip(const char *why)
{
	fprintf(stderr, "%s: %s\n", why, strerror(errno));
	exit(77);
}

#define NO_CONTENT "HTTP/1.1 204 No Content\r\n\r\n"
#define HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"

struct ends {
	int client, server;
};

/* Of the client's socket, before it is connected. */
struct option {
	int level, name, value;
};

static struct ends ends_open_with(const struct option *before)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct ends e;

	CHECK(bind(listener, (struct sockaddr *)&at, len) == 0 && listen(listener, 1) == 0);
	CHECK(getsockname(listener, (struct sockaddr *)&at, &len) == 0);
	e.client = socket(AF_INET, SOCK_STREAM, 0);
	if (before && setsockopt(e.client, before->level, before->name, &before->value,
				 sizeof(before->value)) != 0)
		skip("no such option");
	CHECK(connect(e.client, (struct sockaddr *)&at, len) == 0);
	e.server = accept(listener, NULL, NULL);
	CHECK(e.server >= 0 && close(listener) == 0);
	return e;
}

static struct ends ends_open(void)
{
	return ends_open_with(NULL);
}

static void ends_close(struct ends e)
{
	CHECK(close(e.client) == 0);
	CHECK(close(e.server) == 0);
}

static void put(int fd, const char *text)
{
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

/* What there is, up to the end of text, which must be at its end. */
static char *get(int fd, const char *end)
{
	static char buf[8192];
	size_t have = 0;

	do {
		ssize_t n = read(fd, buf + have, sizeof(buf) - 1 - have);

		CHECK(n > 0);
		have += (size_t)n;
		buf[have] = 0;
	} while (have < strlen(end) || strcmp(buf + have - strlen(end), end) != 0);
	return buf;
}

/* Takes out the one line that may be ours; says whether there was one. */
static bool strip(char *head)
{
	char *ours = strstr(head, "traceparent: ");
	char *next = ours ? strstr(ours, "\r\n") : NULL;

	if (next)
		memmove(ours, next + 2, strlen(next + 2) + 1);
	return next != NULL;
}

static void ask(struct ends e, const char *path)
{
	char text[128];

	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path);
	put(e.client, text);
}

static void take(struct ends e, const char *path)
{
	char *got = get(e.server, "\r\n\r\n");
	char text[128];

	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path);
	strip(got);
	CHECK(strcmp(got, text) == 0);
}

/* Not a byte of ours in it. */
static void take_bare(struct ends e, const char *path)
{
	char *got = get(e.server, "\r\n\r\n");
	char text[128];

	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path);
	CHECK(strcmp(got, text) == 0);
}

static void answer(struct ends e)
{
	put(e.server, NO_CONTENT);
	CHECK(strcmp(get(e.client, "\r\n\r\n"), NO_CONTENT) == 0);
}

static void exchange(struct ends e, const char *path)
{
	ask(e, path);
	take(e, path);
	answer(e);
}

/* The head alone, its length unknown to whom we send to: byte by byte. */
static void take_head(int fd)
{
	char last[4] = "";

	while (memcmp(last, "\r\n\r\n", 4) != 0) {
		memmove(last, last + 1, 3);
		CHECK(read(fd, last + 3, 1) == 1);
	}
}

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

/* --- bytes that are thrown away: MSG_TRUNC --- */

#define POST "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"

static void post(struct ends e, const char *path)
{
	char text[128];

	snprintf(text, sizeof(text), POST, path);
	put(e.client, text);
	take_head(e.server);
}

static void trunc_of_bodies(void)
{
	struct ends e = ends_open();
	struct iovec iov = { NULL, 5 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	post(e, "/1");
	CHECK(recv(e.server, NULL, 5, MSG_TRUNC) == 5);
	answer(e);
	post(e, "/2");
	CHECK(recvfrom(e.server, NULL, 3, MSG_TRUNC, NULL, NULL) == 3);
	CHECK(recvmsg(e.server, &msg, MSG_TRUNC) == 2);
	answer(e);
	ask(e, "/3");
	take(e, "/3");
	put(e.server, HELLO "hello");
	take_head(e.client);
	CHECK(recv(e.client, NULL, 5, MSG_TRUNC | MSG_DONTWAIT | MSG_NOSIGNAL) == 5);
	exchange(e, "/4");
	ends_close(e);
}

/* haproxy drains what it does not want like that before it closes. */
static void trunc_of_a_head(void)
{
	struct ends e = ends_open();

	exchange(e, "/1");
	ask(e, "/2");
	CHECK(recv(e.server, NULL, INT_MAX, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_TRUNC) > 20);
	answer(e);
	exchange(e, "/3");
	ends_close(e);
}

/* What the buffer holds was not received. */
static void trunc_beside_an_old_head(void)
{
	char old[] = "GET /old HTTP/1.1\r\nHost: h\r\n\r\n";
	struct ends e = ends_open();

	put(e.client, "POST /1 HTTP/1.1\r\nContent-Length: 100\r\n\r\n");
	take_head(e.server);
	for (int i = 0; i < 10; i++)
		put(e.client, "10 bytes..");
	CHECK(recv(e.server, old, sizeof(old) - 1, MSG_TRUNC | MSG_WAITALL) == sizeof(old) - 1);
	for (int left = 100 - (int)sizeof(old) + 1; left; left--)
		CHECK(recv(e.server, old, 1, MSG_TRUNC) == 1);
	answer(e);
	ask(e, "/2");
	CHECK(recv(e.server, old, sizeof(old) - 1, MSG_TRUNC) > 20);
	answer(e);
	ends_close(e);
}

static void trunc_of_nothing(void)
{
	struct ends e = ends_open();

	exchange(e, "/1");
	errno = 0;
	CHECK(recv(e.server, NULL, INT_MAX, MSG_DONTWAIT | MSG_TRUNC) == -1 && errno == EAGAIN);
	exchange(e, "/2");
	CHECK(shutdown(e.client, SHUT_WR) == 0);
	CHECK(recv(e.server, NULL, INT_MAX, MSG_TRUNC) == 0);
	ends_close(e);
}

/* --- bytes that go by unseen: sendfile --- */

static int file_of(const char *text, size_t len)
{
	int fd = memfd_create("file", 0);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	CHECK(ftruncate(fd, (off_t)len) == 0);
	return fd;
}

/* The client takes in head and body of so many bytes. */
static void take_bytes(int fd, size_t len)
{
	char buf[4096];

	while (len > 0) {
		ssize_t n = read(fd, buf, len < sizeof(buf) ? len : sizeof(buf));

		CHECK(n > 0);
		len -= (size_t)n;
	}
}

static void sendfile_of_bodies(void)
{
	static const char chunked[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n",
			  last[] = "\r\n0\r\n\r\n", closed[] = "HTTP/1.1 200 OK\r\n\r\n";
	struct ends e = ends_open();
	int file = file_of("hello", 5);
	off_t at = 0;

	ask(e, "/1");
	take(e, "/1");
	put(e.server, HELLO);
	CHECK(sendfile(e.server, file, &at, 3) == 3 && sendfile(e.server, file, &at, 9) == 2);
	take_bytes(e.client, sizeof(HELLO) - 1 + 5);
	ask(e, "/2");
	take(e, "/2");
	put(e.server, chunked);
	CHECK(sendfile(e.server, file, &(off_t){ 0 }, 5) == 5);
	put(e.server, last);
	take_bytes(e.client, sizeof(chunked) - 1 + 5 + sizeof(last) - 1);
	ask(e, "/3");
	take(e, "/3");
	put(e.server, closed);
	CHECK(sendfile(e.server, file, &(off_t){ 0 }, 5) == 5);
	CHECK(close(e.server) == 0);
	take_bytes(e.client, sizeof(closed) - 1 + 5);
	CHECK(read(e.client, &(char){ 0 }, 1) == 0);
	CHECK(close(e.client) == 0);
}

/* Nobody knows what it was that went by: neither where the head ended nor what comes now. */
static void sendfile_of_half_a_head(void)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n";
	struct ends e = ends_open();
	int file = file_of("\r\n", 100002);

	ask(e, "/1");
	take(e, "/1");
	put(e.server, head);
	CHECK(sendfile(e.server, file, &(off_t){ 0 }, 100002) == 100002);
	take_bytes(e.client, sizeof(head) - 1 + 100002);
	exchange(e, "/2");
	ends_close(e);
}

static void splice_of_bodies(void)
{
	struct ends e = ends_open();
	int through[2];

	CHECK(pipe(through) == 0);
	ask(e, "/1");
	take(e, "/1");
	put(e.server, HELLO);
	put(through[1], "hello");
	CHECK(splice(through[0], NULL, e.server, NULL, 5, 0) == 5);
	take_head(e.client);
	CHECK(splice(e.client, NULL, through[1], NULL, 100, 0) == 5);
	exchange(e, "/2");
	post(e, "/3");
	CHECK(splice(e.server, NULL, through[1], NULL, 100, 0) == 5);
	answer(e);
	CHECK(shutdown(e.client, SHUT_WR) == 0);
	CHECK(splice(e.server, NULL, through[1], NULL, 100, 0) == 0);
	ends_close(e);
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

/* --- sockets whose bytes are counted by others, too: no line of ours --- */

static void option_before(int level, int name, int value)
{
	struct ends e = ends_open_with(&(struct option){ level, name, value });

	ask(e, "/1");
	take_bare(e, "/1");
	answer(e);
	ends_close(e);
}

static void option_after(int level, int name, const void *value, socklen_t len)
{
	struct ends e = ends_open();

	exchange(e, "/1");
	if (setsockopt(e.client, level, name, value, len) != 0)
		skip("no such option");
	ask(e, "/2");
	take_bare(e, "/2");
	answer(e);
	ends_close(e);
}

static void zerocopy_before(void)
{
	option_before(SOL_SOCKET, SO_ZEROCOPY, 1);
}

static void zerocopy_after(void)
{
	option_after(SOL_SOCKET, SO_ZEROCOPY, &(int){ 1 }, sizeof(int));
}

static void timestamping_before(void)
{
	option_before(SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_TX_SOFTWARE);
}

static void timestamping_after(void)
{
	/* These count bytes. */
	int flags = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_OPT_ID;

	option_after(SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof(flags));
}

static void fastopen_connect(void)
{
	option_before(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
}

static void kernel_tls(void)
{
	option_after(IPPROTO_TCP, TCP_ULP, "tls", 3);
}

static void repair(void)
{
	struct ends e = ends_open();

	exchange(e, "/1");
	if (setsockopt(e.client, IPPROTO_TCP, TCP_REPAIR, &(int){ 1 }, sizeof(int)) != 0)
		skip("TCP_REPAIR needs CAP_NET_ADMIN");
	CHECK(setsockopt(e.client, IPPROTO_TCP, TCP_REPAIR, &(int){ -1 }, sizeof(int)) == 0);
	ask(e, "/2");
	take_bare(e, "/2");
	answer(e);
	ends_close(e);
}

/* An option that is refused, or another one, changes nothing. */
static void option_refused(void)
{
	struct ends e = ends_open();

	CHECK(setsockopt(e.client, SOL_SOCKET, SO_ZEROCOPY, &(int){ 2 }, sizeof(int)) == -1);
	CHECK(setsockopt(e.client, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)) == 0);
	CHECK(setsockopt(-1, SOL_SOCKET, SO_ZEROCOPY, &(int){ 1 }, sizeof(int)) == -1);
	exchange(e, "/1");
	ends_close(e);
}

/* Each call that the application makes is told of once: two heads must not be two calls. */
static void zerocopy_is_told_once(void)
{
	struct option on = { SOL_SOCKET, SO_ZEROCOPY, 1 };
	static const char two[] =
		"GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n";
	struct ends e = ends_open_with(&on);
	char control[256];
	struct msghdr msg = { .msg_control = control, .msg_controllen = sizeof(control) };
	struct pollfd p = { .fd = e.client };
	const struct sock_extended_err *err;

	if (send(e.client, two, sizeof(two) - 1, MSG_ZEROCOPY) != sizeof(two) - 1)
		skip("no MSG_ZEROCOPY here");
	CHECK(strcmp(get(e.server, "/2 HTTP/1.1\r\nHost: h\r\n\r\n"), two) == 0);
	CHECK(poll(&p, 1, 5000) == 1 && p.revents & POLLERR);
	CHECK(recvmsg(e.client, &msg, MSG_ERRQUEUE) == 0);
	err = (const void *)CMSG_DATA(CMSG_FIRSTHDR(&msg));
	CHECK(err->ee_origin == SO_EE_ORIGIN_ZEROCOPY && err->ee_info == 0 && err->ee_data == 0);
	answer(e);
	answer(e);
	ends_close(e);
}

/* The first bytes go with the SYN, by a socket that nobody has connected: unknown. */
static void fastopen(void)
{
	static const char text[] = "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n";
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct ends e = { .client = socket(AF_INET, SOCK_STREAM, 0) };
	struct iovec iov = { (void *)text, sizeof(text) - 1 };
	struct msghdr msg = { &at, sizeof(at), &iov, 1, NULL, 0, 0 };

	CHECK(bind(listener, (struct sockaddr *)&at, len) == 0 && listen(listener, 2) == 0);
	CHECK(getsockname(listener, (struct sockaddr *)&at, &len) == 0);
	for (int i = 0; i < 2; i++) {
		ssize_t n = i ? sendmsg(e.client, &msg, MSG_FASTOPEN) :
				sendto(e.client, text, sizeof(text) - 1, MSG_FASTOPEN,
				       (struct sockaddr *)&at, len);

		if (n < 0)
			skip("no MSG_FASTOPEN here");
		CHECK(n == sizeof(text) - 1);
		e.server = accept(listener, NULL, NULL);
		take_bare(e, "/1");
		answer(e);
		exchange(e, "/2");
		ends_close(e);
		e.client = socket(AF_INET, SOCK_STREAM, 0);
	}
}

static void not_a_stream(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(at);
	int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	struct ends e = { .client = socket(AF_UNIX, SOCK_SEQPACKET, 0) };

	CHECK(bind(listener, (struct sockaddr *)&at, sizeof(sa_family_t)) == 0);
	CHECK(listen(listener, 1) == 0);
	CHECK(getsockname(listener, (struct sockaddr *)&at, &len) == 0);
	CHECK(connect(e.client, (struct sockaddr *)&at, len) == 0);
	e.server = accept(listener, NULL, NULL);
	ask(e, "/packet");
	take_bare(e, "/packet");
	answer(e);
	ends_close(e);
	e = ends_open();
	exchange(e, "/1");
	ends_close(e);
}

/* --- urgent bytes are not in the stream --- */

static void urgent_bytes(void)
{
	struct ends e = ends_open();
	char c = 0;

	exchange(e, "/1");
	CHECK(send(e.client, "!", 1, MSG_OOB) == 1);
	CHECK(recv(e.server, &c, 1, MSG_OOB) == 1 && c == '!');
	ask(e, "/2");
	take_bare(e, "/2");
	answer(e);
	ends_close(e);
}

/* What the server's end has sent is known no more: no status, and no error. */
static void urgent_bytes_of_the_server(void)
{
	struct ends e = ends_open();
	char c = 0;

	ask(e, "/1");
	take(e, "/1");
	CHECK(sendto(e.server, "!", 1, MSG_OOB, NULL, 0) == 1);
	while (recv(e.client, &c, 1, MSG_OOB) != 1) /* EINVAL: it is not there yet */
		;
	CHECK(close(e.server) == 0);
	CHECK(read(e.client, &c, 1) == 0);
	CHECK(close(e.client) == 0);
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "trunc_of_bodies", trunc_of_bodies },
	{ "trunc_of_a_head", trunc_of_a_head },
	{ "trunc_beside_an_old_head", trunc_beside_an_old_head },
	{ "trunc_of_nothing", trunc_of_nothing },
	{ "sendfile_of_bodies", sendfile_of_bodies },
	{ "sendfile_of_half_a_head", sendfile_of_half_a_head },
	{ "splice_of_bodies", splice_of_bodies },
	{ "dup_fails", dup_fails },
	{ "dup_is_interrupted", dup_is_interrupted },
	{ "dup_over_a_connection", dup_over_a_connection },
	{ "dup_leads_to_the_same", dup_leads_to_the_same },
	{ "stdio_closes_client", stdio_closes_client },
	{ "stdio_closes_server", stdio_closes_server },
	{ "stdio_answers", stdio_answers },
	{ "dprintf_answers", dprintf_answers },
	{ "unseen_close_client", unseen_close_client },
	{ "unseen_close_server", unseen_close_server },
	{ "unseen_close_before_socketpair", unseen_close_before_socketpair },
	{ "zerocopy_before", zerocopy_before },
	{ "zerocopy_after", zerocopy_after },
	{ "timestamping_before", timestamping_before },
	{ "timestamping_after", timestamping_after },
	{ "fastopen_connect", fastopen_connect },
	{ "kernel_tls", kernel_tls },
	{ "repair", repair },
	{ "option_refused", option_refused },
	{ "zerocopy_is_told_once", zerocopy_is_told_once },
	{ "fastopen", fastopen },
	{ "not_a_stream", not_a_stream },
	{ "urgent_bytes", urgent_bytes },
	{ "urgent_bytes_of_the_server", urgent_bytes_of_the_server },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(cases) / sizeof(*cases); i++)
		if (strcmp(argv[1], cases[i].name) == 0) {
			cases[i].run();
			printf("%s: ok\n", argv[1]);
			return 0;
		}
	return 2;
}
