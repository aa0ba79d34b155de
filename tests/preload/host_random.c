/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_random FIRST COUNT : for each seed a conversation in HTTP/1, or nearly, between two ends of
 * one Unix socket, by calls that are drawn; prints what each call says, and of the bytes that came
 * through a sum.  Unix sockets deliver before the call returns, and nothing here waits or asks for
 * the time: what a seed prints is always the same, and must be with a preload.
 *
 * Each seed has one of three casts.  An end that is "plain" is moved by system calls that nobody
 * sees, or reads all there is at once, so that a line more or less in a request changes no count:
 *
 *	0	the client draws its calls, the server is plain
 *	1	the server draws its calls, the client is plain
 *	2	both draw, but the server reads all there is
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "http_ends.h"

#define ROOM 65536

static uint64_t state;
static unsigned step;

/* What came through, and what a peek has shown of what comes next. */
struct stream {
	char at[ROOM];
	size_t len;
	char peek[512];
	size_t peeked;
};
static struct stream requests, responses;

static unsigned draw(unsigned below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state >> 33) % below;
}

static bool one_in(unsigned n)
{
	return draw(n) == 0;
}

static long say(const char *call, size_t n, long r)
{
	printf("%u %s %zu = %ld, errno %d\n", step++, call, n, r, r < 0 ? errno : 0);
	return r;
}

/* --- what is said --- */

static char text[ROOM / 4];
static size_t text_len;

static void add(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text_len += (size_t)vsnprintf(text + text_len, sizeof(text) - text_len, format, args);
	va_end(args);
}

static void add_body(void)
{
	size_t len = one_in(8) ? draw(3000) : draw(60);

	if (one_in(3)) {
		add("Transfer-Encoding: chunked\r\n\r\n");
		for (unsigned i = draw(4); i; i--)
			add("%zx\r\n%0*d\r\n", len + 1, (int)len + 1, 7);
		add("0\r\n%s\r\n", one_in(4) ? "X-Trailer: 1\r\n" : "");
	} else {
		add("Content-Length: %zu\r\n\r\n", len);
		if (len)
			add("%0*d", (int)len, 7);
	}
}

static void add_headers(void)
{
	for (unsigned i = draw(6); i; i--)
		add("X-%u: %0*d\r\n", draw(100), 1 + (int)(one_in(9) ? draw(2000) : draw(40)), 1);
	if (one_in(8))
		add("X-Folded: a\r\n b\r\n");
	if (one_in(8))
		add("Connection: %s\r\n", one_in(2) ? "close" : "keep-alive");
}

static void spoil(void)
{
	for (unsigned i = one_in(6) ? 1 + draw(3) : 0; i; i--)
		text[draw((unsigned)text_len)] = (char)draw(256);
}

static void make_request(bool has_trace)
{
	static const char *const methods[] = { "GET", "GET", "POST", "HEAD", "OPTIONS", "X-odd" };
	unsigned which = draw(6);

	add("%s /%u HTTP/1.%c\r\n", methods[which], draw(1000), one_in(9) ? '0' : '1');
	add("%s: h\r\n", one_in(2) ? "Host" : "hOST");
	if (has_trace && one_in(2))
		add("Traceparent: 00-%032u-%016u-0%u\r\n", draw(9), draw(9), draw(3));
	if (has_trace && one_in(4))
		add("tracestate: a=%u\r\n", draw(9));
	add_headers();
	if (which == 2)
		add_body();
	else
		add("\r\n");
}

static void make_response(void)
{
	static const char *const lines[] = { "200 OK", "204 No Content", "404 Not Found", "304 X" };
	unsigned which = draw(4);

	if (one_in(9))
		add("HTTP/1.1 100 Continue\r\n\r\n");
	add("HTTP/1.1 %s\r\n", lines[which]);
	add_headers();
	if (which % 2)
		add("\r\n");
	else
		add_body();
}

/* --- writing --- */

static void *bad_place(void)
{
	static const uintptr_t places[] = { 0, 16, ~(uintptr_t)0, ~(uintptr_t)0 << 12 };
	static char *hole;

	if (!hole)
		hole = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return one_in(3) ? hole : (void *)places[draw(4)];
}

/* In up to n pieces, some of them empty. */
static int cut(struct iovec *iov, int n, char *at, size_t len)
{
	int count = 0;

	while (count < n - 1) {
		size_t part = one_in(4) ? 0 : draw((unsigned)len + 1);

		iov[count++] = (struct iovec){ at, part };
		at += part;
		len -= part;
	}
	iov[count++] = (struct iovec){ at, len };
	return count;
}

/* Calls that move nothing. */
static void write_nothing(int fd)
{
	static volatile int counts[] = { 0, -1, 1025 };
	struct iovec iov = { bad_place(), 10 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	switch (draw(7)) {
	case 0:
		say("write", 0, write(fd, text, 0));
		break;
	case 1:
		say("write nowhere", 10, write(fd, iov.iov_base, 10));
		break;
	case 2:
		say("writev nowhere", 1, writev(fd, &iov, 1));
		break;
	case 3:
		say("sendmsg nowhere", 1, sendmsg(fd, &msg, 0));
		break;
	case 4:
		iov.iov_base = text;
		say("writev of odd count", 1, writev(fd, &iov, counts[draw(3)]));
		break;
	case 5:
		say("send with odd flags", 1, send(fd, text, 1, MSG_OOB | MSG_ERRQUEUE));
		break;
	default:
		say("sendmsg to a bad address", 1, sendmsg(fd, bad_place(), 0));
		break;
	}
}

static long by_file(int fd, const char *at, size_t len)
{
	int file = memfd_create("file", 0);
	long r;

	CHECK(write(file, at, len) == (ssize_t)len);
	r = sendfile(fd, file, &(off_t){ 0 }, len);
	close(file);
	return r;
}

static long by_messages(int fd, char *at, size_t len)
{
	struct iovec iov[2];
	struct mmsghdr m[2] = { { .msg_hdr = { .msg_iov = iov, .msg_iovlen = 1 } },
				{ .msg_hdr = { .msg_iov = iov + 1, .msg_iovlen = 1 } } };
	int r;

	cut(iov, 2, at, len);
	r = sendmmsg(fd, m, 2, MSG_NOSIGNAL);
	say("sendmmsg", 2, r);
	return r < 0 ? r : (long)m[0].msg_len + (r > 1 ? (long)m[1].msg_len : 0);
}

static long write_some(int fd, char *at, size_t len)
{
	static const int flags[] = { 0, MSG_NOSIGNAL, MSG_DONTWAIT, MSG_MORE, MSG_EOR };
	struct iovec iov[9];
	int flag = flags[draw(5)];
	struct msghdr msg = { .msg_iov = iov };

	switch (one_in(20) ? 6 : draw(6)) {
	case 0:
		return say("write", len, write(fd, at, len));
	case 1:
		return say("send", len, send(fd, at, len, flag));
	case 2:
		return say("sendto", len, sendto(fd, at, len, flag, NULL, 0));
	case 3:
		return say("writev", len, writev(fd, iov, cut(iov, 1 + (int)draw(9), at, len)));
	case 4:
		msg.msg_iovlen = (size_t)cut(iov, 1 + (int)draw(9), at, len);
		return say("sendmsg", len, sendmsg(fd, &msg, flag));
	case 5:
		return one_in(2) ?
			       by_messages(fd, at, len) :
			       say("pwritev2", len, pwritev2(fd, iov, cut(iov, 3, at, len), -1, 0));
	default:
		return say("sendfile", len, by_file(fd, at, len));
	}
}

/* --- reading --- */

static void take_in(struct stream *s, const char *at, size_t len)
{
	size_t known = len < s->peeked ? len : s->peeked;

	if (memcmp(at, s->peek, known) != 0)
		printf("%u is not what was peeked at\n", step);
	s->peeked -= known;
	memmove(s->peek, s->peek + known, s->peeked);
	CHECK(s->len + len <= sizeof(s->at));
	memcpy(s->at + s->len, at, len);
	s->len += len;
}

static void peek(int fd, struct stream *s)
{
	size_t len = 1 + draw(sizeof(s->peek));
	char got[sizeof(s->peek)];
	long n = say("peek", len, recv(fd, got, len, MSG_PEEK));

	if (n > (long)s->peeked) {
		memcpy(s->peek, got, (size_t)n);
		s->peeked = (size_t)n;
	}
}

static void read_nothing(int fd)
{
	struct iovec iov = { bad_place(), 10 };
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };
	fd_set set;
	int n = 0;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	switch (draw(8)) {
	case 0:
		say("read", 0, read(fd, text, 0));
		break;
	case 1:
		say("read nowhere", 10, read(fd, iov.iov_base, 10));
		break;
	case 2:
		say("readv nowhere", 1, readv(fd, &iov, 1));
		break;
	case 3:
		say("recvmsg nowhere", 1, recvmsg(fd, bad_place(), 0));
		break;
	case 4:
		say("FIONREAD", 0, ioctl(fd, FIONREAD, &n));
		say("FIONREAD said", 0, n);
		break;
	case 5:
		say("poll", 1, poll(&p, 1, 0));
		say("poll said", 1, p.revents);
		break;
	case 6:
		say("select", 1, select(fd + 1, &set, NULL, NULL, &(struct timeval){ 0, 0 }));
		say("select nowhere", 1,
		    select(fd + 1, bad_place(), NULL, NULL, &(struct timeval){ 0, 0 }));
		break;
	default:
		say("recv of nothing", 0, recv(fd, text, 0, MSG_DONTWAIT));
		break;
	}
}

static long read_some(int fd, char *at, size_t len)
{
	struct iovec iov[9];
	struct msghdr msg = { .msg_iov = iov };
	struct mmsghdr m = { .msg_hdr = { .msg_iov = iov, .msg_iovlen = 2 } };
	int n;

	switch (draw(6)) {
	case 0:
		return say("read", len, read(fd, at, len));
	case 1:
		return say("recv", len, recv(fd, at, len, one_in(2) ? MSG_DONTWAIT : 0));
	case 2:
		return say("recvfrom", len, recvfrom(fd, at, len, 0, NULL, NULL));
	case 3:
		return say("readv", len, readv(fd, iov, cut(iov, 1 + (int)draw(9), at, len)));
	case 4:
		msg.msg_iovlen = (size_t)cut(iov, 1 + (int)draw(9), at, len);
		return say("recvmsg", len, recvmsg(fd, &msg, 0));
	default:
		cut(iov, 2, at, len);
		n = recvmmsg(fd, &m, 1, 0, NULL);
		say("recvmmsg", len, n);
		return n > 0 ? (long)m.msg_len : n;
	}
}

static void read_all(int fd, struct stream *s, unsigned cast)
{
	static char got[ROOM];
	long n;

	do {
		size_t len = one_in(3) ? sizeof(got) : 1 + draw(one_in(2) ? 20 : 500);

		if (cast == 1 && one_in(8))
			peek(fd, s);
		if (cast == 0)
			n = syscall(SYS_read, fd, got, sizeof(got));
		else if (cast == 2)
			n = read(fd, got, sizeof(got));
		else
			n = read_some(fd, got, len);
		CHECK(n >= 0 || errno == EAGAIN);
		if (n > 0)
			take_in(s, got, (size_t)n);
		if (cast == 1 && one_in(30))
			read_nothing(fd);
	} while (n > 0);
}

/* All of it fits: the room that a socket has left is the kernel's to count. */
static void write_all(int fd, bool is_plain)
{
	for (size_t done = 0; done < text_len;) {
		size_t left = text_len - done;
		size_t len = one_in(3) ? left : 1 + draw(left < 50 ? (unsigned)left : 50);
		long n;

		if (is_plain)
			n = syscall(SYS_write, fd, text + done, left);
		else
			n = write_some(fd, text + done, len);
		CHECK(n >= 0 && n <= (long)left);
		done += (size_t)n;
		if (!is_plain && one_in(40))
			write_nothing(fd);
	}
}

/* --- what else is done to a descriptor --- */

static int mischief(int fd)
{
	int other;

	switch (draw(7)) {
	case 0:
		other = dup(fd);
		close(fd);
		return other;
	case 1:
		other = fcntl(fd, F_DUPFD_CLOEXEC, 200 + (int)draw(9));
		close(fd);
		return other;
	case 2:
		say("dup2 of nothing", 0, dup2(-1, fd));
		return fd;
	case 3:
		say("accept", 0, accept(fd, NULL, NULL));
		return fd;
	case 4:
		say("listen", 0, listen(fd, 1));
		return fd;
	case 5:
		say("connect", 0, connect(fd, bad_place(), sizeof(struct sockaddr_un)));
		return fd;
	default:
		say("setsockopt", 0, setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &(int){ 1 }, 4));
		return fd;
	}
}

/* --- a seed --- */

/* Where a value of a trace's shape begins that a line at s, of len bytes, has; 0: it has none. */
static size_t value_at(const char *s, size_t len)
{
	size_t at = sizeof("traceparent:") - 1;

	if (len < at || strncasecmp(s, "traceparent:", at) != 0)
		return 0;
	while (at < len && (s[at] == ' ' || s[at] == '\t'))
		at++;
	return at + 53 <= len && s[at + 2] == '-' && s[at + 35] == '-' && s[at + 52] == '-' ? at :
											      0;
}

/* Without the lines and digits that may be ours, whatever was spoilt beside them. */
static void sum(const char *name, struct stream *s)
{
	static const char ours[] = "traceparent: 00-";
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < s->len; i++) {
		size_t left = s->len - i, value = value_at(s->at + i, left);

		if (left >= 70 && memcmp(s->at + i, ours, sizeof(ours) - 1) == 0) {
			i += 69;
			continue;
		}
		if (value)
			memset(s->at + i + value + 36, 'x', 16);
		h = (h ^ (unsigned char)s->at[i]) * 0x100000001b3;
	}
	printf("%s %016llx\n", name, (unsigned long long)h);
	s->len = s->peeked = 0;
}

static void converse(unsigned seed)
{
	unsigned cast = seed % 3, client_reads = cast == 1 ? 0 : 1;
	struct ends e = ends_open_unix(NULL);

	printf("seed %u\n", seed);
	state = seed * 0x9e3779b97f4a7c15 + 1;
	step = 0;
	for (unsigned i = 1 + draw(4); i; i--) {
		text_len = 0;
		for (unsigned n = one_in(6) ? 2 : 1; n; n--)
			make_request(cast == 1);
		spoil();
		write_all(e.client, cast == 1);
		read_all(e.server, &requests, cast);
		if (cast != 1 && one_in(5))
			e.client = mischief(e.client);
		if (cast != 0 && one_in(5))
			e.server = mischief(e.server);
		text_len = 0;
		make_response();
		spoil();
		write_all(e.server, cast == 0);
		read_all(e.client, &responses, client_reads);
	}
	/* Not close() alone: who looks at /proc/self/fd/ holds a socket open for that time. */
	say("shutdown", 0, shutdown(e.client, one_in(2) ? SHUT_RDWR : SHUT_WR));
	if (cast)
		say("write to nobody", 1, write(e.server, "x", 1));
	say("close", 0, close(e.client));
	say("close", 0, close(e.server));
	sum("requests", &requests);
	sum("responses", &responses);
}

int main(int argc, char **argv)
{
	unsigned first = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
	unsigned count = argc > 2 ? (unsigned)atoi(argv[2]) : 1;

	signal(SIGPIPE, SIG_IGN);
	for (unsigned seed = first; seed < first + count; seed++)
		converse(seed);
	return 0;
}
