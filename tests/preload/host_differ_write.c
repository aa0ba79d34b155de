/* SPDX-License-Identifier: Apache-2.0 */
/* Every call that sends bytes, to whatever a descriptor leads to; see differ.h. */
#define _GNU_SOURCE
#include <sys/sendfile.h>

#include "differ_ends.h"

int __dprintf_chk(int fd, int flag, const char *format, ...);
int __vdprintf_chk(int fd, int flag, const char *format, va_list args);

static const int send_flags[] = {
	0,
	MSG_DONTWAIT,
	MSG_NOSIGNAL,
	MSG_MORE,
	MSG_EOR,
	MSG_OOB,
	MSG_DONTROUTE,
	MSG_CONFIRM,
	MSG_PEEK,
	MSG_ERRQUEUE,
	MSG_ZEROCOPY,
	MSG_FASTOPEN,
	0x01000000,
	-1,
	MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE,
};
#define SEND_FLAGS (int)(sizeof(send_flags) / sizeof(*send_flags))

/* What came of it; TCP tells at the end, when all of it must be there. */
static void sent(const struct ends *e, long n)
{
	if (!is_tcp(e))
		take_raw(e, n > 0 ? n : 0);
}

static char *leaves(const struct ends *e)
{
	memset(buf, 0, sizeof(buf));
	memcpy(buf, e->leaves, e->leaves_len);
	return buf;
}

/* --- write --- */

static void with_write(struct ends *e, int i)
{
	char *at = leaves(e);

	(void)i;
	CALL(write, e->out, at, 0);
	CALL(write, e->out, NULL, 0);
	CALL(write, e->out, NULL, 10);
	CALL(write, e->out, at, (size_t)-1);
	if (e->kind == HTTP_HALF) /* it would be watched no more */
		return;
	sent(e, CALL(write, e->out, at, e->leaves_len));
	sent(e, CALL(write, e->out, at, e->leaves_len));
	CALL(write, e->out, NOWHERE, 10);
	CALL(write, e->out, TOP, 10);
	sent(e, CALL(write, e->out, at, e->leaves_len));
}

/* A head in pieces, and its end in each of them. */
static void with_pieces(struct ends *e, int i)
{
	static const size_t cuts[] = { 1, 18, 27, 46, 47, 48, 49, 50, 53 };
	size_t cut = cuts[i] < e->leaves_len ? cuts[i] : e->leaves_len - 1;
	char *at = leaves(e);

	sent(e, CALL(write, e->out, at, cut));
	sent(e, CALL(send, e->out, at + cut, 1, MSG_NOSIGNAL));
	sent(e, CALL(write, e->out, at + cut + 1, e->leaves_len - cut - 1));
	sent(e, CALL(write, e->out, at, e->leaves_len));
}

/* --- writev and its like --- */

/* In so many pieces, the last ones of which are empty. */
static size_t pieces(const struct ends *e, struct iovec *iov, int count)
{
	size_t len = e->leaves_len, each = len / (size_t)count + 1, done = 0;
	char *at = leaves(e);

	for (int i = 0; i < count; i++) {
		size_t part = len - done < each ? len - done : each;

		iov[i] = (struct iovec){ at + done, part };
		done += part;
	}
	return (size_t)count;
}

static void with_writev(struct ends *e, int i)
{
	static const int counts[] = { 1, 2, 3, 9, 500, 1000, 1022, 1023, 1024 };
	static struct iovec iov[1025];
	volatile int odd[] = { 0, -1, 1025 };

	memset(iov, 0, sizeof(iov));
	pieces(e, iov, counts[i]);
	for (int k = 0; i == 0 && k < 3; k++)
		CALL(writev, e->out, iov, odd[k]);
	CALL(writev, e->out, NULL, 0);
	sent(e, CALL(writev, e->out, iov, counts[i]));
	sent(e, CALL(writev, e->out, iov, counts[i]));
}

static void with_odd_vectors(struct ends *e, int i)
{
	struct iovec iov[2] = { { leaves(e), 5 }, { NOWHERE, 5 } };

	switch (i) {
	case 0:
		CALL(writev, e->out, NULL, 1);
		break;
	case 1:
		CALL(writev, e->out, NOWHERE, 1);
		break;
	case 2:
		sent(e, CALL(writev, e->out, iov, 2));
		break;
	default: /* longer than any call may be */
		iov[1].iov_len = (size_t)-1;
		CALL(writev, e->out, iov, 2);
		break;
	}
	sent(e, CALL(write, e->out, buf, e->leaves_len));
}

#define WITH_PWRITEV2(name)                                                                     \
	static void with_##name(struct ends *e, int i)                                          \
	{                                                                                       \
		static const int flags[] = { 0, 0x8 /* NOWAIT */, 0x1, 0x2, 0x10, 0x4000, -1 }; \
		static struct iovec iov[1025];                                                  \
		volatile int odd[] = { 0, -1, 1025 };                                           \
                                                                                                \
		memset(iov, 0, sizeof(iov));                                                    \
		pieces(e, iov, 3);                                                              \
		for (int k = 0; k < (i ? 1 : 3); k++)                                           \
			CALL(name, e->out, iov, odd[k], -1, flags[i]);                          \
		CALL(name, e->out, iov, 3, -2, flags[i]);                                       \
		sent(e, CALL(name, e->out, iov, 3, 0, flags[i]));                               \
		sent(e, CALL(name, e->out, iov, 3, -1, flags[i]));                              \
		sent(e, CALL(name, e->out, iov, 3, -1, flags[i]));                              \
		CALL(name, e->out, NULL, 1, -1, flags[i]);                                      \
	}

WITH_PWRITEV2(pwritev2)
WITH_PWRITEV2(pwritev64v2)

/* --- send and its like --- */

static void with_send(struct ends *e, int i)
{
	char *at = leaves(e);

	CALL(send, e->out, at, 0, send_flags[i]);
	sent(e, CALL(send, e->out, at, e->leaves_len, send_flags[i]));
	sent(e, CALL(send, e->out, at, e->leaves_len, 0));
	CALL(send, e->out, NULL, 10, send_flags[i]);
}

static void with_sendto(struct ends *e, int i)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = "/no/such/socket" };
	struct sockaddr_in in = { .sin_family = AF_INET };
	char *at = leaves(e);

	CALL(sendto, e->out, at, e->leaves_len, send_flags[i], (void *)&to, 1);
	CALL(sendto, e->out, at, e->leaves_len, send_flags[i], NOWHERE, sizeof(to));
	CALL(sendto, e->out, at, e->leaves_len, send_flags[i], (void *)&to, (socklen_t)-1);
	/* For a connected TCP socket an address is nothing. */
	sent(e, CALL(sendto, e->out, at, e->leaves_len, send_flags[i], (void *)&in, sizeof(in)));
	sent(e, CALL(sendto, e->out, at, e->leaves_len, send_flags[i], (void *)&to, sizeof(to)));
	sent(e, CALL(sendto, e->out, at, e->leaves_len, send_flags[i], NULL, 0));
	sent(e, CALL(sendto, e->out, at, e->leaves_len, 0, NULL, sizeof(to)));
}

static void with_sendmsg(struct ends *e, int i)
{
	static struct iovec iov[1025];
	struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = "/no/such/socket" };
	struct msghdr msg = { .msg_iov = iov };

	memset(iov, 0, sizeof(iov));
	sent(e, CALL(sendmsg, e->out, &msg, send_flags[i]));
	msg.msg_iovlen = 1025;
	if (i == 0)
		CALL(sendmsg, e->out, &msg, send_flags[i]);
	msg.msg_iovlen = pieces(e, iov, 3);
	msg.msg_flags = -1; /* nobody looks at them */
	sent(e, CALL(sendmsg, e->out, &msg, send_flags[i]));
	msg.msg_iovlen = pieces(e, iov, i ? 9 : 1024);
	sent(e, CALL(sendmsg, e->out, &msg, send_flags[i]));
	msg.msg_name = &to;
	msg.msg_namelen = sizeof(to);
	msg.msg_iovlen = pieces(e, iov, 2);
	sent(e, CALL(sendmsg, e->out, &msg, send_flags[i]));
	CALL(sendmsg, e->out, NULL, send_flags[i]);
}

static void with_sendmmsg(struct ends *e, int i)
{
	static struct mmsghdr m[1025];
	static struct iovec iov[3];
	size_t n = pieces(e, iov, 3);

	for (int k = 0; k < 1025; k++)
		m[k].msg_hdr = (struct msghdr){ .msg_iov = iov, .msg_iovlen = k ? 0 : n };
	CALL(sendmmsg, e->out, m, 0, send_flags[i]);
	CALL(sendmmsg, e->out, NULL, 0, send_flags[i]);
	sent(e, CALL(sendmmsg, e->out, m, 1, send_flags[i]));
	m[1].msg_hdr.msg_iovlen = n;
	sent(e, CALL(sendmmsg, e->out, m, 2, send_flags[i]));
	say("  lengths %u %u\n", m[0].msg_len, m[1].msg_len);
	m[1].msg_hdr = (struct msghdr){ .msg_iov = i ? NOWHERE : iov, .msg_iovlen = 1025 };
	sent(e, CALL(sendmmsg, e->out, m, 3, send_flags[i]));
	CALL(sendmmsg, e->out, m + 1, 2, send_flags[i]);
	CALL(sendmmsg, e->out, NULL, 1, send_flags[i]);
}

/* More than one call may have: it sends as many as it may. */
static void with_many_messages(struct ends *e, int i)
{
	static struct mmsghdr m[1025];
	struct iovec iov = { leaves(e), 1 };

	(void)i;
	if (e->kind == DATAGRAM || is_client(e)) /* as many as there is room for */
		return;
	for (int k = 0; k < 1025; k++)
		m[k].msg_hdr = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = k < 20 };
	sent(e, CALL(sendmmsg, e->out, m, 1025, MSG_DONTWAIT));
}

/* --- bytes that lie elsewhere --- */

static int file_with(const struct ends *e)
{
	int fd = memfd_create("bytes", 0);

	RAW(write, fd, e->leaves, e->leaves_len);
	RAW(lseek, fd, 0, SEEK_SET);
	return fd;
}

#define WITH_SENDFILE(name, type)                                               \
	static void with_##name(struct ends *e, int i)                          \
	{                                                                       \
		int file = file_with(e);                                        \
		type at = 0, below = -1;                                        \
                                                                                \
		CALL(name, e->out, -1, NULL, 10);                               \
		CALL(name, e->out, file, NOWHERE, 10);                          \
		CALL(name, e->out, file, &below, 10);                           \
		CALL(name, e->out, file, NULL, 0);                              \
		CALL(name, -1, e->in, NULL, 10);                                \
		if (i == 0) {                                                   \
			sent(e, CALL(name, e->out, file, NULL, 1 << 20));       \
			CALL(name, e->out, file, NULL, 10);                     \
		} else if (i == 1) {                                            \
			sent(e, CALL(name, e->out, file, &at, 20));             \
			sent(e, CALL(name, e->out, file, &at, (size_t)-1));     \
			say("  at %ld\n", (long)at);                            \
		} else { /* the head by a write, the body by the file */        \
			write(e->out, e->leaves, e->leaves_len - 5);            \
			at = (type)(e->leaves_len - 5);                         \
			sent(e, CALL(name, e->out, file, &at, 5));              \
			sent(e, CALL(write, e->out, leaves(e), e->leaves_len)); \
		}                                                               \
		RAW(close, file, 0, 0);                                         \
	}

WITH_SENDFILE(sendfile, off_t)
WITH_SENDFILE(sendfile64, off64_t)

static void with_splice(struct ends *e, int i)
{
	static const unsigned flags[] = { 0, 1, 2, 4, 8, 16 };
	off64_t at = 0;
	int through[2];

	if (pipe2(through, O_NONBLOCK) != 0)
		return;
	CALL(splice, -1, NULL, e->out, NULL, 10, flags[i]);
	CALL(splice, e->in, NULL, e->out, NULL, 10, flags[i]);
	CALL(splice, through[0], &at, e->out, NULL, 10, flags[i]);
	CALL(splice, through[0], NULL, e->out, NOWHERE, 10, flags[i]);
	CALL(splice, through[0], NULL, e->out, NULL, 0, flags[i]);
	CALL(splice, through[0], NULL, e->out, NULL, 10, flags[i] | SPLICE_F_NONBLOCK);
	RAW(write, through[1], e->leaves, e->leaves_len);
	sent(e, CALL(splice, through[0], NULL, e->out, NULL, 1 << 20, flags[i]));
	sent(e, CALL(write, e->out, leaves(e), e->leaves_len));
	feed(e);
	CALL(splice, e->in, NULL, through[1], NULL, 1 << 20, flags[i]);
	hide();
	RAW(close, through[0], 0, 0);
	RAW(close, through[1], 0, 0);
	unhide();
}

/* --- stdio --- */

__attribute__((format(printf, 2, 3))) static int vdprintf_of(int fd, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = (int)CALL(vdprintf, fd, format, args);
	va_end(args);
	return n;
}

__attribute__((format(printf, 2, 3))) static int vdprintf_chk_of(int fd, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = (int)CALL(__vdprintf_chk, fd, 1, format, args);
	va_end(args);
	return n;
}

static void with_dprintf(struct ends *e, int i)
{
	char *at = leaves(e);

	at[e->leaves_len] = 0;
	switch (i) {
	case 0:
		sent(e, CALL(dprintf, e->out, "%s", at));
		break;
	case 1:
		sent(e, CALL(__dprintf_chk, e->out, 1, "%s%d", at, 7));
		break;
	case 2:
		sent(e, vdprintf_of(e->out, "%s", at));
		break;
	default:
		sent(e, vdprintf_chk_of(e->out, "%s %s", at, "x"));
		break;
	}
	CALL(dprintf, e->out, "%s", "");
	sent(e, CALL(write, e->out, at, e->leaves_len));
}

/* --- descriptors that travel --- */

union rights {
	struct cmsghdr head;
	char room[CMSG_SPACE(256 * sizeof(int))];
};

static void set_rights(union rights *r, struct msghdr *msg, int fd, size_t count)
{
	memset(r, 0, sizeof(*r));
	r->head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(count * sizeof(int)),
				    .cmsg_level = SOL_SOCKET,
				    .cmsg_type = SCM_RIGHTS };
	for (size_t k = 0; k < count; k++)
		memcpy(CMSG_DATA(&r->head) + k * sizeof(int), &fd, sizeof(fd));
	msg->msg_control = r;
	msg->msg_controllen = CMSG_SPACE(count * sizeof(int));
}

static void with_rights(struct ends *e, int i)
{
	static union rights rights;
	struct iovec iov = { leaves(e), e->leaves_len };
	struct mmsghdr m = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };
	struct msghdr *msg = &m.msg_hdr;
	static const size_t counts[] = { 1, 2, 253, 254, 1, 1, 1, 1, 1, 0 };

	set_rights(&rights, msg, i == 4 ? -1 : i == 5 ? e->out : 0, counts[i]);
	if (i == 6)
		rights.head.cmsg_len = 1;
	else if (i == 7)
		rights.head.cmsg_level = IPPROTO_TCP;
	else if (i == 8)
		rights.head.cmsg_type = 77;
	else if (i == 9)
		*msg = (struct msghdr){ .msg_iov = &iov,
					.msg_iovlen = 1,
					.msg_control = NOWHERE,
					.msg_controllen = 16 };
	sent(e, CALL(sendmsg, e->out, msg, 0));
	sent(e, CALL(sendmmsg, e->out, &m, 1, 0));
	sent(e, CALL(write, e->out, buf, e->leaves_len));
}

/* --- nobody there, no room --- */

static void with_nobody(struct ends *e, int i)
{
	struct iovec iov = { leaves(e), e->leaves_len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct pollfd p = { .fd = e->out };

	if (e->kind == FILE_KIND || e->kind == TTY)
		return;
	if (i == 0) {
		struct linger now = { 1, 0 };

		raw6(SYS_setsockopt, e->feed, SOL_SOCKET, SO_LINGER, (long)&now, sizeof(now), 0);
		close_feed(e);
		if (is_tcp(e))
			RAW(poll, &p, 1, -1);
	} else {
		CALL(shutdown, e->out, SHUT_WR);
	}
	CALL(write, e->out, buf, e->leaves_len);
	CALL(write, e->out, buf, 0);
	say_signals();
	CALL(writev, e->out, &iov, 1);
	CALL(pwritev2, e->out, &iov, 1, -1, 0);
	say_signals();
	CALL(send, e->out, buf, e->leaves_len, 0);
	CALL(send, e->out, buf, e->leaves_len, MSG_NOSIGNAL);
	CALL(sendto, e->out, buf, e->leaves_len, MSG_NOSIGNAL, NULL, 0);
	say_signals();
	CALL(sendmsg, e->out, &msg, 0);
	CALL(sendmsg, e->out, &msg, MSG_NOSIGNAL);
	CALL(dprintf, e->out, "x");
	say_signals();
}

/* Bytes that nobody sees, until there is no room. */
static void fill(const struct ends *e)
{
	static const char zeros[4096];
	long flags = RAW(fcntl, e->out, F_GETFL, 0);

	hide();
	RAW(fcntl, e->out, F_SETFL, flags | O_NONBLOCK);
	raw6(SYS_setsockopt, e->out, SOL_SOCKET, SO_SNDBUF, (long)&(int){ 4096 }, sizeof(int), 0);
	for (size_t part = sizeof(zeros); part; part /= 2)
		while (RAW(write, e->out, zeros, part) > 0)
			;
	RAW(fcntl, e->out, F_SETFL, flags);
	unhide();
}

static void take_all(const struct ends *e)
{
	hide();
	while (raw6(SYS_recvfrom, e->sink, (long)(buf + 4096), sizeof(buf) - 4096, MSG_DONTWAIT, 0,
		    0) > 0)
		;
	unhide();
}

static bool can_fill(const struct ends *e)
{
	return e->sink >= 0 && e->kind != FILE_KIND && e->kind != TTY && e->kind != PIPE &&
	       !is_tcp(e);
}

static void with_no_room(struct ends *e, int i)
{
	struct iovec iov = { leaves(e), e->leaves_len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct mmsghdr m = { .msg_hdr = msg };
	int file = file_with(e);

	(void)i;
	if (can_fill(e)) {
		fill(e);
		CALL(write, e->out, buf, e->leaves_len);
		CALL(writev, e->out, &iov, 1);
		CALL(pwritev2, e->out, &iov, 1, -1, 0);
		CALL(send, e->out, buf, e->leaves_len, MSG_MORE);
		CALL(sendto, e->out, buf, e->leaves_len, 0, NULL, 0);
		CALL(sendmsg, e->out, &msg, 0);
		CALL(sendmmsg, e->out, &m, 1, 0);
		CALL(sendfile, e->out, file, NULL, 20);
		take_all(e);
		sent(e, CALL(write, e->out, buf, e->leaves_len));
	}
	RAW(close, file, 0, 0);
}

/* --- time --- */

static void with_a_signal(struct ends *e, int i)
{
	struct iovec iov = { leaves(e), e->leaves_len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct mmsghdr m = { .msg_hdr = msg };

	(void)i;
	if (!can_fill(e))
		return;
	fill(e);
	INTERRUPTED(write, e->out, buf, e->leaves_len);
	INTERRUPTED(writev, e->out, &iov, 1);
	INTERRUPTED(pwritev2, e->out, &iov, 1, -1, 0);
	INTERRUPTED(send, e->out, buf, e->leaves_len, MSG_NOSIGNAL);
	INTERRUPTED(sendto, e->out, buf, e->leaves_len, 0, NULL, 0);
	INTERRUPTED(sendmsg, e->out, &msg, 0);
	INTERRUPTED(sendmmsg, e->out, &m, 1, 0);
	take_all(e);
	sent(e, CALL(write, e->out, buf, e->leaves_len));
}

struct cancelled {
	struct ends *e;
	int i;
	_Atomic long tid;
};

static void *is_cancelled(void *arg)
{
	struct cancelled *c = arg;
	struct iovec iov = { buf, c->e->leaves_len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	atomic_store(&c->tid, RAW(gettid, 0, 0, 0));
	atomic_store(&differ_shared->ready, 1);
	if (c->i == 0)
		write(c->e->out, buf, iov.iov_len);
	else if (c->i == 1)
		writev(c->e->out, &iov, 1);
	else if (c->i == 2)
		send(c->e->out, buf, iov.iov_len, 0);
	else
		sendmsg(c->e->out, &msg, 0);
	return NULL;
}

static void with_a_cancel(struct ends *e, int i)
{
	struct cancelled c = { .e = e, .i = i };
	pthread_t thread;
	void *ret = NULL;

	if (!can_fill(e))
		return;
	leaves(e);
	fill(e);
	atomic_store(&differ_shared->ready, 0);
	pthread_create(&thread, NULL, is_cancelled, &c);
	hide();
	while (!atomic_load(&c.tid))
		nap();
	wait_asleep(atomic_load(&c.tid));
	pthread_cancel(thread);
	pthread_join(thread, &ret);
	unhide();
	say("cancelled %d\n", ret == PTHREAD_CANCELED);
	take_all(e);
	sent(e, CALL(write, e->out, buf, e->leaves_len));
}

static const struct differ_case cases[] = {
	{ "write", with_write, 1, false },
	{ "pieces", with_pieces, 9, false },
	{ "writev", with_writev, 9, false },
	{ "odd vectors", with_odd_vectors, 4, false },
	{ "pwritev2", with_pwritev2, 7, false },
	{ "pwritev64v2", with_pwritev64v2, 7, false },
	{ "send", with_send, SEND_FLAGS, false },
	{ "sendto", with_sendto, SEND_FLAGS, false },
	{ "sendmsg", with_sendmsg, SEND_FLAGS, false },
	{ "sendmmsg", with_sendmmsg, SEND_FLAGS, false },
	{ "many messages", with_many_messages, 1, false },
	{ "sendfile", with_sendfile, 3, false },
	{ "sendfile64", with_sendfile64, 3, false },
	{ "splice", with_splice, 6, false },
	{ "dprintf", with_dprintf, 4, false },
	{ "rights", with_rights, 10, false },
	{ "nobody", with_nobody, 2, false },
	{ "no room", with_no_room, 1, false },
	{ NULL, NULL, 0, false },
};
static const struct differ_case blocking[] = {
	{ "a signal", with_a_signal, 1, false },
	{ "a cancel", with_a_cancel, 4, false },
	{ NULL, NULL, 0, false },
};

int main(void)
{
	differ_start();
	run_on_kinds(cases, false);
	run_on_kinds(blocking, true);
	say_state();
	return 0;
}
