/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DIFFER_ENDS_H
#define DIFFER_ENDS_H
/*
 * What descriptors lead to: nothing, no sockets, sockets that carry HTTP/1 in both roles, others.
 * One end is moved by the calls under test, the other one by system calls that no preload sees.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <termios.h>

#include "differ.h"

enum kind {
	NEGATIVE,
	CLOSED,
	ABOVE_TABLE, /* a number of 2^20 and more, which this kernel has no descriptor for */
	PIPE,
	FILE_KIND,
	TTY,
	DATAGRAM,
	PAIR, /* socketpair(): neither client nor server */
	OPAQUE_CLIENT,
	OPAQUE_SERVER,
	HTTP_CLIENT,
	HTTP_SERVER,
	HTTP_HALF,   /* a client that has written half a head */
	HTTP_TRACED, /* a client whose requests have a traceparent of their own */
	TCP_CLIENT,
	TCP_SERVER,
	KINDS
};

static const char *const kind_name[] = {
	"-1",          "closed",      "above the table", "pipe",          "file",
	"tty",         "datagrams",   "socketpair",      "opaque client", "opaque server",
	"http client", "http server", "half a head",     "traced client", "tcp client",
	"tcp server",
};

#define TRACE "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"
#define GET_0 "GET /0 HTTP/1.1\r\nHost: h\r\n\r\n"
#define POST_1 "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
#define POST_1_TRACED \
	"POST /1 HTTP/1.1\r\nHost: h\r\ntraceparent: " TRACE "\r\nContent-Length: 5\r\n\r\nhello"
#define OK_5 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define ODD "\x16\x03\x01 neither a request nor an answer"

struct ends {
	enum kind kind;
	int in, out;    /* what is called on */
	int feed, sink; /* the other end, or -1 */
	const char *arrives, *leaves;
	size_t arrives_len, leaves_len;
};

static char buf[1 << 16];

static inline bool is_tcp(const struct ends *e)
{
	return e->kind == TCP_CLIENT || e->kind == TCP_SERVER;
}

static inline bool is_client(const struct ends *e)
{
	return e->kind == OPAQUE_CLIENT || e->kind == HTTP_CLIENT || e->kind == HTTP_HALF ||
	       e->kind == HTTP_TRACED || e->kind == TCP_CLIENT;
}

/* --- opening --- */

static inline bool open_tty(struct ends *e)
{
	struct termios t;
	int master = posix_openpt(O_RDWR | O_NOCTTY), unlock = 0;

	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) != 0 ||
	    (e->in = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY)) < 0)
		return false;
	tcgetattr(e->in, &t);
	cfmakeraw(&t);
	tcsetattr(e->in, TCSANOW, &t);
	e->out = e->in;
	e->feed = e->sink = master;
	return true;
}

/* Unix sockets deliver before the call returns. */
static inline bool open_connected(struct ends *e)
{
	bool tcp = is_tcp(e);
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_storage at = { 0 };
	socklen_t len = tcp ? sizeof(in) : sizeof(sa_family_t);
	int listener = socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM, 0);
	int client = socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM, 0), server;

	memcpy(&at, tcp ? (void *)&in : (void *)&un, len);
	if (bind(listener, (void *)&at, len) != 0 || listen(listener, 1) != 0)
		return false;
	len = sizeof(at);
	getsockname(listener, (void *)&at, &len);
	if (connect(client, (void *)&at, len) != 0)
		return false;
	server = accept(listener, NULL, NULL);
	close(listener);
	e->in = e->out = is_client(e) ? client : server;
	e->feed = e->sink = is_client(e) ? server : client;
	return server >= 0;
}

static inline bool open_two(struct ends *e, int type)
{
	int fds[2];

	if (socketpair(AF_UNIX, type, 0, fds) != 0)
		return false;
	e->in = e->out = fds[0];
	e->feed = e->sink = fds[1];
	return true;
}

static inline bool open_pipes(struct ends *e)
{
	int in[2], out[2];

	if (pipe(in) != 0 || pipe(out) != 0)
		return false;
	*e = (struct ends){
		.kind = e->kind, .in = in[0], .out = out[1], .feed = in[1], .sink = out[0]
	};
	return true;
}

static inline bool open_kind(struct ends *e)
{
	switch (e->kind) {
	case NEGATIVE:
		return true;
	case CLOSED:
		e->in = e->out = dup(0);
		RAW(close, e->in, 0, 0);
		return true;
	case ABOVE_TABLE:
		e->in = e->out = 1 << 20;
		return true;
	case PIPE:
		return open_pipes(e);
	case FILE_KIND:
		e->in = e->out = memfd_create("differ", 0);
		return e->in >= 0;
	case TTY:
		return open_tty(e);
	case DATAGRAM:
		return open_two(e, SOCK_DGRAM);
	case PAIR:
		return open_two(e, SOCK_STREAM);
	default:
		return open_connected(e);
	}
}

/* --- the other end --- */

static inline void put_raw(const struct ends *e, const char *at, size_t len)
{
	bool waits = e->kind == TTY || is_tcp(e); /* these are delivered by somebody else */
	struct pollfd p = { .fd = e->in, .events = POLLIN };
	int before = 0, n;

	if (e->kind == FILE_KIND)
		raw6(SYS_pwrite64, e->in, (long)at, (long)len, 0, 0, 0);
	if (e->feed < 0)
		return;
	if (waits)
		RAW(ioctl, e->in, FIONREAD, &before);
	RAW(write, e->feed, at, len);
	for (n = before; waits && n < before + (int)len; RAW(ioctl, e->in, FIONREAD, &n))
		RAW(poll, &p, 1, -1);
}

static inline void feed(const struct ends *e)
{
	hide();
	put_raw(e, e->arrives, e->arrives_len);
	unhide();
}

/* All that has left so far, or at least that much. */
static inline void take_raw(const struct ends *e, long least)
{
	static char got[1 << 16];
	long n, len = 0;

	if (e->sink < 0)
		return;
	hide();
	do {
		bool waits = len < least && (e->kind == TTY || is_tcp(e));
		struct pollfd p = { .fd = e->sink, .events = POLLIN };

		if (RAW(poll, &p, 1, waits ? -1 : 0) <= 0)
			break;
		n = RAW(read, e->sink, got + len, sizeof(got) - (size_t)len);
		len += n > 0 ? n : 0;
	} while (n > 0);
	unhide();
	if (len)
		say_bytes("sent", got, len);
}

/* --- a fixture --- */

static inline void set_texts(struct ends *e, bool is_read)
{
	bool client = is_client(e), odd = e->kind == OPAQUE_CLIENT || e->kind == OPAQUE_SERVER;

	e->arrives = odd ? ODD : client ? OK_5 : POST_1_TRACED;
	e->leaves = odd ? ODD : POST_1;
	if (e->kind == HTTP_TRACED)
		e->leaves = POST_1_TRACED;
	else if (e->kind == HTTP_SERVER || e->kind == TCP_SERVER)
		e->leaves = OK_5;
	else if (e->kind == HTTP_HALF && !is_read)
		e->leaves = "Host: h\r\nContent-Length: 5\r\n\r\nhello";
	e->arrives_len = strlen(e->arrives);
	e->leaves_len = strlen(e->leaves);
}

/* What must have been said before a call of that sort means something. */
static inline void converse(struct ends *e, bool is_read)
{
	if (e->kind == OPAQUE_CLIENT || e->kind == OPAQUE_SERVER) {
		write(e->out, ODD, sizeof(ODD) - 1);
		take_raw(e, 0);
		put_raw(e, ODD, sizeof(ODD) - 1);
		read(e->in, buf, sizeof(buf));
	} else if (is_client(e) && is_read) {
		write(e->out, GET_0, sizeof(GET_0) - 1);
		take_raw(e, sizeof(GET_0) - 1);
	} else if (e->kind == HTTP_HALF) {
		write(e->out, "POST /1 HTTP/1.1\r\n", 18);
	} else if ((e->kind == HTTP_SERVER || e->kind == TCP_SERVER) && !is_read) {
		put_raw(e, GET_0, sizeof(GET_0) - 1);
		read(e->in, buf, sizeof(buf));
	}
}

static inline bool ends_open(struct ends *e, enum kind kind, bool is_read, bool blocks)
{
	*e = (struct ends){ .kind = kind, .in = -1, .out = -1, .feed = -1, .sink = -1 };
	if (!open_kind(e)) {
		differ_skip(kind_name[kind]);
		return false;
	}
	if (e->sink >= 0 && !is_tcp(e))
		RAW(fcntl, e->sink, F_SETFL, O_NONBLOCK | O_RDWR);
	set_texts(e, is_read);
	converse(e, is_read);
	if (!blocks) {
		RAW(fcntl, e->in, F_SETFL, O_NONBLOCK | RAW(fcntl, e->in, F_GETFL, 0));
		if (e->out != e->in)
			RAW(fcntl, e->out, F_SETFL, O_NONBLOCK | RAW(fcntl, e->out, F_GETFL, 0));
	}
	return true;
}

/*
 * A Unix socket ends in the call, but where a thread gets a table of descriptors of its own at that
 * moment: then with it.
 */
static inline void close_feed(struct ends *e)
{
	struct pollfd end = { .fd = e->in, .events = POLLRDHUP };

	if (e->feed >= 0)
		RAW(close, e->feed, 0, 0);
	if (e->sink != e->feed)
		RAW(close, e->sink, 0, 0);
	if (e->feed >= 0 && e->kind >= PAIR && !is_tcp(e))
		raw6(SYS_ppoll, (long)&end, 1, 0, 0, 0, 0);
	e->feed = e->sink = -1;
}

/* What there is on both sides, and the end of it. */
static inline void ends_close(struct ends *e)
{
	long n;

	if (e->kind == FILE_KIND) {
		n = raw6(SYS_pread64, e->in, (long)buf, sizeof(buf), 0, 0, 0);
		say_bytes("file", buf, n);
	}
	if (is_tcp(e) && e->sink >= 0) {
		RAW(shutdown, e->out, SHUT_WR, 0);
		hide();
		n = raw6(SYS_recvfrom, e->sink, (long)buf, sizeof(buf), MSG_WAITALL, 0, 0);
		unhide();
		if (n > 0)
			say_bytes("sent", buf, n);
	} else if (e->kind != TTY) {
		take_raw(e, 0);
	}
	n = raw6(SYS_recvfrom, e->in, (long)buf, sizeof(buf), MSG_DONTWAIT, 0, 0);
	if (n > 0 && !is_tcp(e))
		say_bytes("left", buf, n);
	CALL(close, e->in);
	if (e->out != e->in)
		CALL(close, e->out);
	close_feed(e);
	say_signals();
}

struct differ_case {
	const char *name;
	void (*run)(struct ends *e, int i);
	int count; /* of i */
	bool is_read;
};

/* Each case on each kind, and for each number. */
static inline void run_on_kinds(const struct differ_case *c, bool blocks)
{
	for (; c->name; c++)
		for (int kind = 0; kind < KINDS; kind++)
			for (int i = 0; i < c->count; i++) {
				struct ends e;
				char name[64];

				snprintf(name, sizeof(name), "%s %d", c->name, i);
				begin(name, kind_name[kind]);
				if (!ends_open(&e, (enum kind)kind, c->is_read, blocks))
					continue;
				c->run(&e, i);
				ends_close(&e);
			}
}

#endif
