/* SPDX-License-Identifier: Apache-2.0 */
/* Every call that makes, connects, copies, asks and ends descriptors; see differ.h. */
#define _GNU_SOURCE
#include <linux/close_range.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

#include "differ_ends.h"

/* Later than the oldest libc that this is built with. */
int close_range(unsigned first, unsigned last, int flags);
void closefrom(int first);

static void got(long n)
{
	if (n > 0)
		say_bytes("got", buf, n);
}

/* Is the connection what it was? */
static void go_on(const struct ends *e, int fd)
{
	CALL(write, fd, e->leaves, e->leaves_len);
	if (!is_tcp(e))
		take_raw(e, e->kind == TTY ? (long)e->leaves_len : 0);
}

/* --- accept, listen, connect --- */

static void with_accept(struct ends *e, int i)
{
	static const int flags[] = {
		0, SOCK_NONBLOCK, SOCK_CLOEXEC, SOCK_NONBLOCK | SOCK_CLOEXEC, 1, -1
	};
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);

	CALL(accept, e->in, NULL, NULL);
	CALL(accept, e->in, (void *)&from, &len);
	CALL(accept, e->in, NOWHERE, &len);
	CALL(accept4, e->in, NULL, NULL, flags[i]);
	CALL(accept4, e->in, (void *)&from, NOWHERE, flags[i]);
	go_on(e, e->out);
}

static void with_bind(struct ends *e, int i)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/no/such/folder/socket" };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = { htonl(0x08080808) } };
	struct sockaddr odd = { .sa_family = 77 };

	(void)i;
	CALL(bind, e->in, NULL, sizeof(un));
	CALL(bind, e->in, NOWHERE, sizeof(un));
	CALL(bind, e->in, (void *)&un, 0);
	CALL(bind, e->in, (void *)&un, (socklen_t)-1);
	CALL(bind, e->in, (void *)&un, sizeof(un));
	CALL(bind, e->in, (void *)&in, sizeof(in));
	CALL(bind, e->in, &odd, sizeof(odd));
	go_on(e, e->out);
}

static void with_listen(struct ends *e, int i)
{
	static const int backlogs[] = { 0, -1, 1 << 30 };

	CALL(listen, e->in, backlogs[i]);
	go_on(e, e->out);
}

static void with_connect(struct ends *e, int i)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/no/such/socket" };
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct sockaddr odd = { .sa_family = 77 };

	switch (i) {
	case 0:
		CALL(connect, e->in, NULL, sizeof(un));
		CALL(connect, e->in, NOWHERE, sizeof(un));
		CALL(connect, e->in, TOP, sizeof(un));
		CALL(connect, e->in, (void *)&un, 0);
		CALL(connect, e->in, (void *)&un, 1);
		CALL(connect, e->in, (void *)&un, (socklen_t)-1);
		break;
	case 1:
		CALL(connect, e->in, (void *)&un, sizeof(un));
		break;
	case 2:
		CALL(connect, e->in, &odd, sizeof(odd));
		break;
	default: /* ends what there is, of TCP */
		CALL(connect, e->in, &none, sizeof(none));
		break;
	}
	if (i < 3 || !is_tcp(e))
		go_on(e, e->out);
}

/* --- shutdown, options --- */

static void with_shutdown(struct ends *e, int i)
{
	static const int hows[] = { SHUT_RD, SHUT_WR, SHUT_RDWR, 3, -1 };

	CALL(shutdown, e->in, hows[i]);
	if (e->kind == TTY || e->kind == PIPE || e->kind == FILE_KIND)
		return;
	CALL(shutdown, e->in, hows[i]);
	if (is_tcp(e))
		return;
	CALL(read, e->in, buf, sizeof(buf));
	CALL(send, e->out, e->leaves, e->leaves_len, MSG_NOSIGNAL);
	take_raw(e, 0);
}

static const struct {
	int level, name;
} options[] = {
	{ SOL_SOCKET, SO_ERROR },
	{ SOL_SOCKET, SO_KEEPALIVE },
	{ SOL_SOCKET, SO_REUSEADDR },
	{ SOL_SOCKET, SO_LINGER },
	{ SOL_SOCKET, SO_RCVTIMEO },
	{ SOL_SOCKET, SO_PASSCRED },
	{ SOL_SOCKET, SO_DOMAIN },
	{ SOL_SOCKET, SO_ZEROCOPY },
	{ SOL_SOCKET, SO_PEEK_OFF },
	{ SOL_SOCKET, SO_TIMESTAMPING },
	{ IPPROTO_TCP, TCP_NODELAY },
	{ IPPROTO_TCP, TCP_CORK },
	{ IPPROTO_TCP, TCP_ULP },
	{ IPPROTO_TCP, 35 },
	{ 77, 1 },
	{ -1, -1 },
};
#define OPTIONS (int)(sizeof(options) / sizeof(*options))

static void with_getsockopt(struct ends *e, int i)
{
	int level = options[i].level, name = options[i].name;
	char value[64] = { 0 };
	socklen_t len = sizeof(value), cut = 1, below = (socklen_t)-1, none = 0;

	CALL(getsockopt, e->in, level, name, value, &len);
	say_bytes("value", value, len <= sizeof(value) ? (long)len : 0);
	CALL(getsockopt, e->in, level, name, value, &cut);
	CALL(getsockopt, e->in, level, name, value, &below);
	CALL(getsockopt, e->in, level, name, NULL, &none);
	len = sizeof(int);
	CALL(getsockopt, e->in, level, name, NOWHERE, &len);
	CALL(getsockopt, e->in, level, name, value, NOWHERE);
	go_on(e, e->out);
}

static void with_setsockopt(struct ends *e, int i)
{
	int level = options[i].level, name = options[i].name;
	static int value[1024] = { 1, 1 }; /* a tracer looks as far as the length says */

	CALL(setsockopt, e->in, level, name, NULL, 0);
	CALL(setsockopt, e->in, level, name, NOWHERE, sizeof(int));
	CALL(setsockopt, e->in, level, name, value, 1);
	CALL(setsockopt, e->in, level, name, value, (socklen_t)-1);
	CALL(setsockopt, e->in, level, name, value, sizeof(int));
	CALL(setsockopt, e->in, level, name, value, 16);
	go_on(e, e->out);
}

/* --- copies --- */

static void with_dup(struct ends *e, int i)
{
	struct ends copy = *e;
	int fd = -1;

	switch (i) {
	case 0:
		fd = (int)CALL(dup, e->out);
		break;
	case 1:
		fd = (int)CALL(dup2, e->out, 300);
		break;
	case 2:
		fd = (int)CALL(dup3, e->out, 300, O_CLOEXEC);
		break;
	case 3:
		fd = (int)CALL(fcntl, e->out, F_DUPFD, 250);
		break;
	case 4:
		fd = (int)CALL(fcntl, e->out, F_DUPFD_CLOEXEC, 250);
		break;
	case 5:
		fd = (int)CALL(fcntl64, e->out, F_DUPFD, 0);
		break;
	default:
		fd = (int)CALL(fcntl64, e->out, F_DUPFD_CLOEXEC, 1000);
		break;
	}
	if (fd < 0)
		return;
	CALL(close, e->out);
	copy.out = fd;
	copy.in = e->in == e->out ? fd : e->in;
	go_on(&copy, fd);
	CALL(read, e->in, buf, sizeof(buf));
	feed(&copy);
	got(CALL(read, copy.in, buf, sizeof(buf)));
	CALL(dup2, fd, e->out);
	CALL(close, fd);
	go_on(e, e->out);
}

static void with_bad_dup(struct ends *e, int i)
{
	(void)i;
	CALL(dup2, e->out, e->out);
	CALL(dup2, e->out, -1);
	CALL(dup2, e->out, 1 << 20);
	CALL(dup2, -1, e->out);
	CALL(dup3, e->out, e->out, 0);
	CALL(dup3, -1, -1, 0);
	CALL(dup3, e->out, 300, 1);
	CALL(dup3, -1, e->out, 0);
	CALL(dup3, e->out, -1, O_CLOEXEC);
	CALL(fcntl, e->out, F_DUPFD, -1);
	CALL(fcntl, e->out, F_DUPFD, 1 << 20);
	CALL(fcntl64, e->out, F_DUPFD_CLOEXEC, -1);
	go_on(e, e->out);
}

/* Its place is taken: the connection is closed, and what comes is not HTTP/1. */
static void with_taken_place(struct ends *e, int i)
{
	int other = memfd_create("other", 0);

	if (e->out >= 0 && e->kind != CLOSED && e->kind != ABOVE_TABLE) {
		if (i)
			CALL(dup3, other, e->out, O_CLOEXEC);
		else
			CALL(dup2, other, e->out);
		CALL(write, e->out, e->leaves, e->leaves_len);
		CALL(lseek, e->out, 0, SEEK_SET);
		CALL(read, e->out, buf, sizeof(buf));
	}
	RAW(close, other, 0, 0);
}

static void with_fcntl(struct ends *e, int i)
{
	static const int commands[] = { F_GETFD,    F_SETFD,  F_GETFL,  F_SETFL,      F_GETOWN,
					F_SETOWN,   F_GETSIG, F_SETSIG, F_GETPIPE_SZ, F_GET_SEALS,
					F_GETLEASE, 77,       -1 };
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };

	CALL(fcntl, e->out, commands[i], 0);
	CALL(fcntl64, e->out, commands[i], 0);
	CALL(fcntl, e->out, F_GETLK, &lock);
	CALL(fcntl64, e->out, F_OFD_GETLK, &lock);
	CALL(fcntl, e->out, F_GETLK, NOWHERE);
	RAW(fcntl, e->out, F_SETFL, O_NONBLOCK);
	go_on(e, e->out);
}

/* --- ends --- */

static void with_close(struct ends *e, int i)
{
	(void)i;
	CALL(close, e->in);
	CALL(close, e->in);
	CALL(write, e->in, e->leaves, e->leaves_len);
	CALL(read, e->in, buf, sizeof(buf));
	CALL(shutdown, e->in, SHUT_RDWR);
	CALL(dup, e->in);
}

static void with_close_range(struct ends *e, int i)
{
	int fd = fcntl(e->out, F_DUPFD, 400);

	if (fd < 0)
		return;
	switch (i) {
	case 0:
		CALL(close_range, 399, 450, 0);
		break;
	case 1:
		CALL(close_range, 400, ~0u, 0);
		break;
	case 2:
		CALL(close_range, 400, 450, CLOSE_RANGE_CLOEXEC);
		break;
	case 3:
		CALL(close_range, 450, 400, 0);
		break;
	case 4:
		CALL(close_range, 400, 450, 99);
		break;
	case 5:
		CALL(close_range, 400, 450, CLOSE_RANGE_UNSHARE);
		break;
	case 6:
		closefrom(400);
		say("closefrom(400)\n");
		break;
	default:
		CALL(syscall, SYS_close_range, 400, ~0u, 0);
		break;
	}
	CALL(fcntl, fd, F_GETFD);
	CALL(write, fd, e->leaves, e->leaves_len);
	take_raw(e, 0);
	go_on(e, e->out);
	RAW(close, fd, 0, 0);
}

/* --- stdio --- */

static void with_fdopen(struct ends *e, int i)
{
	static const char *const modes[] = { "r", "w", "r+", "a", "x", "" };
	int fd = dup(e->out);
	FILE *f = CALL_POINTER(fdopen, fd, modes[i]);

	if (f && e->kind != TTY) {
		if (i == 1 || i == 2) {
			say("fprintf %d\n", fprintf(f, "%s", e->leaves));
			say("fflush %d\n", fflush(f));
			take_raw(e, 0);
		}
		if (i == 0 || i == 2) {
			feed(e);
			say("fgets %d\n", fgets(buf, sizeof(buf), f) != NULL);
			say_bytes("got", buf, (long)strlen(buf));
		}
	}
	if (f)
		say("fclose %d\n", fclose(f));
	else
		CALL(close, fd);
	go_on(e, e->out);
}

/* --- without a fixture --- */

static void sockets(void)
{
	static const int domains[] = { AF_UNIX, AF_INET, AF_INET6, AF_UNSPEC, 77, -1 };
	static const int types[] = { SOCK_STREAM,
				     SOCK_DGRAM,
				     SOCK_SEQPACKET,
				     SOCK_STREAM | SOCK_CLOEXEC,
				     SOCK_STREAM | SOCK_NONBLOCK,
				     0,
				     99,
				     -1 };
	int fds[2];

	begin("socket", "");
	for (size_t d = 0; d < 6; d++)
		for (size_t t = 0; t < 8; t++) {
			int fd = (int)CALL(socket, domains[d], types[t], 0);

			CALL(socket, domains[d], types[t], 99);
			if (fd >= 0)
				CALL(close, fd);
			if (CALL(socketpair, domains[d], types[t], 0, fds) == 0) {
				say("  %d %d\n", fds[0], fds[1]);
				CALL(close, fds[0]);
				CALL(close, fds[1]);
			}
		}
	CALL(socketpair, AF_UNIX, SOCK_STREAM, 0, NULL);
	CALL(socketpair, AF_UNIX, SOCK_STREAM, 0, NOWHERE);
}

static int listener_at(struct sockaddr_storage *at, socklen_t *len, bool tcp, int backlog)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = (int)CALL(socket, tcp ? AF_INET : AF_UNIX, SOCK_STREAM, 0);

	memset(at, 0, sizeof(*at));
	memcpy(at, &in, sizeof(in));
	if (!tcp)
		at->ss_family = AF_UNIX;
	CALL(bind, fd, (void *)at, tcp ? sizeof(in) : sizeof(sa_family_t));
	CALL(listen, fd, backlog);
	*len = sizeof(*at);
	getsockname(fd, (void *)at, len);
	return fd;
}

static int connected_raw(const struct sockaddr_storage *at, socklen_t len)
{
	int fd = (int)RAW(socket, at->ss_family, SOCK_STREAM, 0);

	RAW(connect, fd, at, len);
	return fd;
}

/* What accept() tells of the peer, whatever room there is for it. */
static void accepts(bool tcp)
{
	static const int flags[] = { 0, SOCK_NONBLOCK, SOCK_CLOEXEC, 1 };
	static const socklen_t rooms[] = { 0, 1, 2, 16, 128, (socklen_t)-1 };
	struct sockaddr_storage at, peer = { 0 };
	socklen_t len;
	int listener, other, fd;

	begin("accepts", tcp ? "tcp" : "unix");
	listener = listener_at(&at, &len, tcp, 128);
	RAW(fcntl, listener, F_SETFL, O_NONBLOCK);
	CALL(accept, listener, NULL, NULL);
	CALL(accept4, listener, NULL, NULL, SOCK_CLOEXEC);
	for (size_t f = 0; f < 4; f++)
		for (size_t r = 0; r < 6; r++) {
			socklen_t room = rooms[r];

			other = connected_raw(&at, len);
			fd = (int)CALL(accept4, listener, (void *)&peer, &room, flags[f]);
			if (fd < 0)
				fd = (int)CALL(accept, listener, NULL, NULL);
			say("  room %u, family %d, flags %lx %ld\n", room, peer.ss_family,
			    RAW(fcntl, fd, F_GETFL, 0), RAW(fcntl, fd, F_GETFD, 0));
			CALL(close, fd);
			RAW(close, other, 0, 0);
		}
	other = connected_raw(&at, len);
	CALL(accept, listener, (void *)&peer, NULL); /* taken off the queue, and lost */
	CALL(accept, listener, NULL, NULL);
	RAW(close, other, 0, 0);
	CALL(shutdown, listener, SHUT_RDWR);
	CALL(accept, listener, NULL, NULL);
	CALL(close, listener);
}

static void connects(bool tcp)
{
	struct sockaddr_storage at;
	struct pollfd p = { .events = POLLOUT };
	socklen_t len;
	int listener, fd, n = 0;
	socklen_t n_len = sizeof(n);

	begin("connects", tcp ? "tcp" : "unix");
	listener = listener_at(&at, &len, tcp, 8);
	fd = p.fd = (int)CALL(socket, at.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CALL(connect, fd, (void *)&at, len);
	RAW(poll, &p, 1, -1);
	CALL(getsockopt, fd, SOL_SOCKET, SO_ERROR, &n, &n_len);
	CALL(connect, fd, (void *)&at, len);
	CALL(connect, fd, (void *)&at, len);
	CALL(write, fd, POST_1, sizeof(POST_1) - 1);
	CALL(listen, fd, 1);
	CALL(close, fd);
	CALL(close, listener);
	/* Nobody is there any more. */
	fd = p.fd = (int)CALL(socket, at.ss_family, SOCK_STREAM, 0);
	CALL(connect, fd, (void *)&at, len);
	CALL(connect, fd, (void *)&at, len);
	CALL(getsockopt, fd, SOL_SOCKET, SO_ERROR, &n, &n_len);
	say("  error %d\n", n);
	CALL(send, fd, POST_1, sizeof(POST_1) - 1, MSG_NOSIGNAL);
	CALL(read, fd, buf, sizeof(buf));
	CALL(close, fd);
	fd = p.fd = (int)CALL(socket, at.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CALL(connect, fd, (void *)&at, len);
	RAW(poll, &p, 1, -1);
	CALL(getsockopt, fd, SOL_SOCKET, SO_ERROR, &n, &n_len);
	say("  error %d\n", n);
	CALL(close, fd);
}

static void *accepts_for_ever(void *arg)
{
	int *fd = arg;

	atomic_store(&differ_shared->tid, RAW(gettid, 0, 0, 0));
	atomic_store(&differ_shared->ready, 1);
	accept(*fd, NULL, NULL);
	return NULL;
}

static void signals_and_cancel(void)
{
	struct sockaddr_storage at;
	socklen_t len;
	int listener, first, second, fd;
	pthread_t thread;
	void *ret = NULL;

	begin("signals", "");
	listener = listener_at(&at, &len, false, 0);
	INTERRUPTED(accept, listener, NULL, NULL);
	INTERRUPTED(accept4, listener, NULL, NULL, SOCK_CLOEXEC);
	await(&thread, accepts_for_ever, &listener);
	pthread_cancel(thread);
	hide();
	pthread_join(thread, &ret);
	unhide();
	say("cancelled %d\n", ret == PTHREAD_CANCELED);
	/* There is room for one that nobody accepts. */
	first = connected_raw(&at, len);
	fd = (int)CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	INTERRUPTED(connect, fd, (void *)&at, len);
	second = (int)CALL(accept, listener, NULL, NULL);
	CALL(connect, fd, (void *)&at, len);
	CALL(close, second);
	CALL(close, fd);
	RAW(close, first, 0, 0);
	CALL(close, listener);
}

/* The last number that the table has, and the first one that it has not. */
static void high_numbers(void)
{
	struct rlimit was, all = { (1 << 20) + 64, (1 << 20) + 64 };
	static const int numbers[] = { (1 << 20) - 1, 1 << 20, (1 << 20) + 1 };
	struct ends e;

	begin("high numbers", "");
	getrlimit(RLIMIT_NOFILE, &was);
	if (setrlimit(RLIMIT_NOFILE, &all) != 0) {
		all.rlim_cur = all.rlim_max = 1 << 20;
		if (setrlimit(RLIMIT_NOFILE, &all) != 0)
			all = was;
	}
	for (size_t i = 0; i < 3; i++) {
		if (!ends_open(&e, HTTP_CLIENT, false, false))
			continue;
		if (all.rlim_cur <= (rlim_t)numbers[i]) {
			say("SKIPPED: the kernel allows no descriptor %d\n", numbers[i]);
		} else {
			CALL(dup2, e.out, numbers[i]);
			go_on(&e, numbers[i]);
			feed(&e);
			CALL(read, numbers[i], buf, sizeof(buf));
			CALL(close, numbers[i]);
		}
		ends_close(&e);
	}
	was.rlim_max = all.rlim_max;
	setrlimit(RLIMIT_NOFILE, &was);
}

static const struct differ_case cases[] = {
	{ "accept", with_accept, 6, false },
	{ "bind", with_bind, 1, false },
	{ "listen", with_listen, 3, false },
	{ "connect", with_connect, 4, false },
	{ "shutdown", with_shutdown, 5, false },
	{ "getsockopt", with_getsockopt, OPTIONS, false },
	{ "setsockopt", with_setsockopt, OPTIONS, false },
	{ "dup", with_dup, 7, false },
	{ "bad dup", with_bad_dup, 1, false },
	{ "taken place", with_taken_place, 2, false },
	{ "fcntl", with_fcntl, 13, false },
	{ "close", with_close, 1, false },
	{ "close_range", with_close_range, 8, false },
	{ "fdopen", with_fdopen, 6, false },
	{ NULL, NULL, 0, false },
};

int main(void)
{
	differ_start();
	run_on_kinds(cases, false);
	sockets();
	accepts(false);
	accepts(true);
	connects(false);
	connects(true);
	signals_and_cancel();
	high_numbers();
	say_state();
	return 0;
}
