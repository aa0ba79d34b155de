/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_bytes CASE : calls that move the bytes of an HTTP/1 connection in odd ways.  Prints "CASE:
 * ok"; what spans there must be is told by test_sockets.py.  A case that this kernel does not allow
 * ends with status 77 and says why.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "http_ends.h"

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

/* --- vectors with flags --- */

static void vectors_with_flags(void)
{
	char text[] = "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n", got[256] = "";
	struct iovec out[] = { { text, 9 }, { NULL, 0 }, { text + 9, sizeof(text) - 10 } };
	struct iovec in[] = { { got, 5 }, { got + 5, 100 }, { got + 105, 100 } };
	struct iovec no[] = { { (char *)NO_CONTENT, 7 }, { (char *)NO_CONTENT + 7, 100 } };
	struct ends e = ends_open();
	struct pollfd p = { .fd = e.client, .events = POLLIN };

	no[1].iov_len = sizeof(NO_CONTENT) - 1 - 7;
	for (int i = 0; i < 2; i++) {
		text[5] = (char)('1' + i);
		errno = 0;
		/* Sockets have no other place. */
		CHECK(pwritev2(e.client, out, 3, 0, 0) == -1 && errno == ESPIPE);
		CHECK(preadv2(e.client, in, 3, 0, 0) == -1 && errno == ESPIPE);
		CHECK(pwritev(e.client, out, 3, 0) == -1 && preadv(e.client, in, 3, 0) == -1);
		CHECK(pwrite(e.client, text, 5, 0) == -1 && pread(e.client, got, 5, 0) == -1);
		CHECK((i ? pwritev2(e.client, out, 3, -1, 0) :
			   pwritev64v2(e.client, out, 3, -1, 0)) == sizeof(text) - 1);
		memset(got, 0, sizeof(got));
		CHECK((i ? preadv2(e.server, in, 3, -1, 0) : preadv64v2(e.server, in, 3, -1, 0)) >=
		      (ssize_t)sizeof(text) - 1);
		strip(got);
		CHECK(strcmp(got, text) == 0);
		CHECK(pwritev2(e.server, no, 2, -1, 0) == sizeof(NO_CONTENT) - 1);
		CHECK(poll(&p, 1, -1) == 1);
		CHECK(preadv2(e.client, in, 3, -1, RWF_NOWAIT) == sizeof(NO_CONTENT) - 1);
		CHECK(preadv2(e.client, in, 3, -1, RWF_NOWAIT) == -1 && errno == EAGAIN);
		CHECK(memcmp(got, NO_CONTENT, sizeof(NO_CONTENT) - 1) == 0);
	}
	exchange(e, "/3");
	ends_close(e);
}

/* --- several messages in one call --- */

static void many_messages(void)
{
	static char one[] = "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n", two[] = "GET /2 HTTP/1.1\r\n",
		    end[] = "Host: h\r\n\r\n", no[] = NO_CONTENT;
	struct iovec out[] = { { one, sizeof(one) - 1 },
			       { two, sizeof(two) - 1 },
			       { end, sizeof(end) - 1 } };
	struct iovec back[] = { { no, sizeof(no) - 1 }, { no, sizeof(no) - 1 } };
	struct mmsghdr m[2] = { { .msg_hdr = { .msg_iov = out, .msg_iovlen = 1 } },
				{ .msg_hdr = { .msg_iov = out + 1, .msg_iovlen = 2 } } };
	struct mmsghdr a[2] = { { .msg_hdr = { .msg_iov = back, .msg_iovlen = 1 } },
				{ .msg_hdr = { .msg_iov = back + 1, .msg_iovlen = 1 } } };
	char got[512] = "", text[128];
	struct iovec in[] = { { got, 11 }, { got + 11, 7 }, { got + 18, 400 } };
	struct mmsghdr r[3] = { { .msg_hdr = { .msg_iov = in, .msg_iovlen = 1 } },
				{ .msg_hdr = { .msg_iov = in + 1, .msg_iovlen = 1 } },
				{ .msg_hdr = { .msg_iov = in + 2, .msg_iovlen = 1 } } };
	struct ends e = ends_open();

	CHECK(sendmmsg(e.client, m, 2, MSG_NOSIGNAL) == 2);
	CHECK(m[0].msg_len == sizeof(one) - 1);
	CHECK(m[1].msg_len == sizeof(two) - 1 + sizeof(end) - 1);
	CHECK(recvmmsg(e.server, r, 2, MSG_PEEK, NULL) == 2);
	CHECK(recvmmsg(e.server, r, 3, MSG_DONTWAIT, NULL) == 3);
	CHECK(r[0].msg_len == 11 && r[1].msg_len == 7);
	CHECK(recvmmsg(e.server, r, 3, MSG_DONTWAIT, NULL) == -1 && errno == EAGAIN);
	while (strip(got))
		;
	snprintf(text, sizeof(text), "%s%s%s", one, two, end);
	CHECK(strcmp(got, text) == 0);
	CHECK(sendmmsg(e.server, a, 2, 0) == 2 && a[1].msg_len == sizeof(no) - 1);
	CHECK(recvmmsg(e.client, r, 3, 0, NULL) == 3);
	exchange(e, "/3");
	CHECK(shutdown(e.server, SHUT_WR) == 0);
	CHECK(recvmmsg(e.client, r, 2, 0, NULL) >= 1 && r[0].msg_len == 0);
	CHECK(sendmmsg(e.client, m, 0, 0) == 0);
	CHECK(close(e.server) == 0);
	CHECK(recv(e.client, got, 1, MSG_DONTWAIT) <= 0);
	put(e.client, "G"); /* which is answered by a reset */
	while (sendmmsg(e.client, m, 2, MSG_NOSIGNAL) != -1)
		;
	CHECK(errno == EPIPE || errno == ECONNRESET);
	CHECK(close(e.client) == 0);
}

/* --- control data goes with the bytes of its call --- */

static const struct option small = { SOL_SOCKET, SO_SNDBUF, 1 };

union one_right {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

/* Takes what there is; counts the descriptors that came with it. */
static int drain(int fd, char *to, size_t *have)
{
	int rights = 0;

	for (;;) {
		union one_right control;
		struct iovec iov = { to + *have, 4096 };
		struct msghdr m = { .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = &control,
				    .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(fd, &m, 0);
		int right;

		if (n < 0)
			return rights;
		*have += (size_t)n;
		if (!m.msg_controllen)
			continue;
		memcpy(&right, CMSG_DATA(&control.align), sizeof(right));
		CHECK(close(right) == 0);
		rights++;
	}
}

/* All of text, with a descriptor once no more than left of it is left. */
static void send_with_rights(struct ends e, char *text, size_t len, size_t left, char *got)
{
	union one_right control = { .align = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	size_t have = 0, sent = 0;
	int calls = 0, rights = 0;

	memset(CMSG_DATA(&control.align), 0, sizeof(int)); /* standard input */
	while (sent < len) {
		struct iovec iov = { text + sent, len - sent };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
		ssize_t n;

		if (sent && len - sent <= left) {
			m.msg_control = &control;
			m.msg_controllen = sizeof(control);
		}
		n = sendmsg(e.client, &m, 0);
		CHECK(n > 0 || (n == -1 && errno == EAGAIN));
		if (n > 0) {
			calls += m.msg_control != NULL;
			sent += (size_t)n;
		}
		rights += drain(e.server, got, &have);
	}
	got[have] = 0;
	CHECK(calls == rights);
}

/* The padding walks the places where the kernel cuts over a line of ours. */
static void control_data(size_t left)
{
	static char text[32768], got[65536];

	for (int pad = 0; pad < 2400; pad += 40) {
		struct ends e = ends_open_unix(&small);
		int len = snprintf(text, sizeof(text), "GET /1 HTTP/1.1\r\nHost: h\r\n");

		for (int i = 0; i < 120; i++)
			len += sprintf(text + len, "X: %0*d\r\n", 90, i);
		len += sprintf(text + len, "Y: %0*d\r\n\r\n", pad + 1, 0);
		send_with_rights(e, text, (size_t)len, left, got);
		strip(got);
		CHECK(strcmp(got, text) == 0);
		CHECK(fcntl(e.client, F_SETFL, 0) == 0);
		answer(e);
		ends_close(e);
	}
}

static void control_data_ahead_of_our_line(void)
{
	control_data(SIZE_MAX);
}

/* Only the empty line is left, so the cut was in our line, or right before it. */
static void control_data_behind_our_line(void)
{
	control_data(2);
}

/* --- the end of a head that leaves unseen --- */

/* As much as there is room for; false: not all. */
static bool put_some(int fd, const char *text, size_t len, size_t *at)
{
	while (*at < len) {
		ssize_t n = write(fd, text + *at, len - *at);

		CHECK(n > 0 || (n == -1 && errno == EAGAIN));
		if (n < 0)
			return false;
		*at += (size_t)n;
	}
	return true;
}

/* Where only the empty line is left, the kernel's cut was in our line: what is owed goes first. */
static void sendfile_of_the_end_of_a_head(void)
{
	static char text[32768], got[65536];
	int file = file_of("\r\n", 2);

	for (int pad = 0; pad < 2400; pad += 40) {
		struct ends e = ends_open_unix(&small);
		size_t have = 0, sent = 0, len;

		len = (size_t)snprintf(text, sizeof(text), "GET /1 HTTP/1.1\r\nHost: h\r\n");
		for (int i = 0; i < 120; i++)
			len += (size_t)sprintf(text + len, "X: %0*d\r\n", 90, i);
		len += (size_t)sprintf(text + len, "Y: %0*d\r\n\r\n", pad + 1, 0);
		while (!put_some(e.client, text, len, &sent) && len - sent != 2)
			drain(e.server, got, &have);
		while (sent < len) {
			ssize_t n = sendfile(e.client, file, &(off_t){ 0 }, 2);

			CHECK(n == 2 || (n == -1 && errno == EAGAIN));
			sent += n == 2 ? 2 : 0;
			drain(e.server, got, &have);
		}
		drain(e.server, got, &have);
		got[have] = 0;
		strip(got);
		CHECK(strcmp(got, text) == 0);
		ends_close(e);
	}
	CHECK(close(file) == 0);
}

/* --- flags of ordinary calls --- */

static void flags_of_calls(void)
{
	static const char text[] = "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n";
	struct ends e = ends_open();
	char got[512] = "", c;
	struct msghdr none = { .msg_control = got, .msg_controllen = sizeof(got) };
	ssize_t n;

	CHECK(recv(e.server, got, 10, MSG_DONTWAIT) == -1 && errno == EAGAIN);
	CHECK(recv(e.server, &c, 1, MSG_OOB) == -1 && errno == EINVAL);
	CHECK(recvmsg(e.server, &none, MSG_ERRQUEUE | MSG_DONTWAIT) == -1 && errno == EAGAIN);
	CHECK(send(e.client, text, 5, MSG_MORE | MSG_NOSIGNAL) == 5);
	CHECK(sendto(e.client, text + 5, 5, MSG_DONTWAIT, NULL, 0) == 5);
	CHECK(send(e.client, text + 10, sizeof(text) - 11, MSG_EOR) == sizeof(text) - 11);
	for (int i = 0; i < 3; i++) /* shown, and not taken */
		CHECK(recv(e.server, got, 15, MSG_PEEK | MSG_WAITALL) == 15);
	CHECK(recv(e.server, got, 15, MSG_WAITALL) == 15);
	CHECK(recv(e.server, got, 0, 0) == 0);
	n = recv(e.server, got + 15, sizeof(got) - 16, MSG_CMSG_CLOEXEC);
	CHECK(n > 0);
	strip(got);
	CHECK(strcmp(got, text) == 0);
	CHECK(send(e.server, NO_CONTENT, sizeof(NO_CONTENT) - 1, MSG_CONFIRM) > 0);
	CHECK(recvfrom(e.client, got, sizeof(NO_CONTENT) - 1, MSG_WAITALL, NULL, NULL) ==
	      sizeof(NO_CONTENT) - 1);
	exchange(e, "/2");
	ends_close(e);
}

static volatile sig_atomic_t signalled;

static void on_pipe(int number)
{
	signalled += number == SIGPIPE;
}

/*
 * A head that gets a line of ours, into a socket that is full and to a peer that is gone: neither
 * waits who did not want to, nor is signalled.  All by Unix sockets, which tell at once.
 */
static void flags_of_sends_with_our_line(void)
{
	static const char text[] = "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n";
	const size_t len = sizeof(text) - 1;
	struct msghdr msg = { .msg_iov = &(struct iovec){ (void *)(uintptr_t)text, len },
			      .msg_iovlen = 1 };
	struct ends e = ends_open_unix(&small);
	int full = 0;

	signal(SIGPIPE, on_pipe);
	alarm(10); /* who waits all the same */
	CHECK(fcntl(e.client, F_SETFL, 0) == 0);
	while (send(e.client, text, len, MSG_DONTWAIT) == (ssize_t)len)
		full++;
	CHECK(errno == EAGAIN && full > 0 && full < 30);
	CHECK(sendmsg(e.client, &msg, MSG_DONTWAIT) == -1 && errno == EAGAIN);
	CHECK(sendto(e.client, text, len, MSG_DONTWAIT, NULL, 0) == -1 && errno == EAGAIN);
	CHECK(close(e.server) == 0);
	CHECK(send(e.client, text, len, MSG_NOSIGNAL) == -1 && errno == EPIPE && !signalled);
	CHECK(sendmsg(e.client, &msg, MSG_NOSIGNAL) == -1 && errno == EPIPE && !signalled);
	CHECK(send(e.client, text, len, 0) == -1 && errno == EPIPE && signalled == 1);
	CHECK(close(e.client) == 0);
}

static const struct host_case cases[] = {
	{ "trunc_of_bodies", trunc_of_bodies },
	{ "trunc_of_a_head", trunc_of_a_head },
	{ "trunc_beside_an_old_head", trunc_beside_an_old_head },
	{ "trunc_of_nothing", trunc_of_nothing },
	{ "sendfile_of_bodies", sendfile_of_bodies },
	{ "sendfile_of_half_a_head", sendfile_of_half_a_head },
	{ "splice_of_bodies", splice_of_bodies },
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
	{ "vectors_with_flags", vectors_with_flags },
	{ "many_messages", many_messages },
	{ "control_data_ahead_of_our_line", control_data_ahead_of_our_line },
	{ "control_data_behind_our_line", control_data_behind_our_line },
	{ "sendfile_of_the_end_of_a_head", sendfile_of_the_end_of_a_head },
	{ "flags_of_calls", flags_of_calls },
	{ "flags_of_sends_with_our_line", flags_of_sends_with_our_line },
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	return run_case(cases, argc, argv);
}
