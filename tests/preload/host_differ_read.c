/* SPDX-License-Identifier: Apache-2.0 */
/* Every call that takes bytes in, on whatever a descriptor leads to; see differ.h. */
#define _GNU_SOURCE
#include "differ_ends.h"

ssize_t __read_chk(int fd, void *at, size_t len, size_t room);
ssize_t __recv_chk(int fd, void *at, size_t len, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *at, size_t len, size_t room, int flags, struct sockaddr *from,
		       socklen_t *from_len);

static const int recv_flags[] = { 0,
				  MSG_PEEK,
				  MSG_DONTWAIT,
				  MSG_WAITALL,
				  MSG_TRUNC,
				  MSG_OOB,
				  MSG_ERRQUEUE,
				  MSG_CMSG_CLOEXEC,
				  MSG_NOSIGNAL,
				  MSG_CTRUNC,
				  MSG_PEEK | MSG_TRUNC,
				  MSG_WAITFORONE,
				  0x01000000,
				  -1 };
#define RECV_FLAGS (int)(sizeof(recv_flags) / sizeof(*recv_flags))

static void got(long n)
{
	if (n > 0)
		say_bytes("got", buf, n < (long)sizeof(buf) ? n : (long)sizeof(buf));
	memset(buf, '.', sizeof(buf));
}

/* The kernel writes as far as it is told to; say all of it. */
static void got_vector(long n, const struct iovec *iov, size_t count)
{
	static char all[1 << 16];
	size_t len = 0;

	for (size_t i = 0; n > 0 && i < count && len < (size_t)n; i++) {
		memcpy(all + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	if (n > 0)
		say_bytes("got", all, n);
	memset(buf, '.', sizeof(buf));
}

/* --- read --- */

static void with_read(struct ends *e, int i)
{
	(void)i;
	CALL(read, e->in, buf, 0);
	CALL(read, e->in, NULL, 0);
	CALL(read, e->in, NULL, 10);
	CALL(read, e->in, buf, 64);
	feed(e);
	CALL(read, e->in, NULL, 10);
	CALL(read, e->in, NOWHERE, 10);
	CALL(read, e->in, TOP, 10);
	CALL(read, e->in, buf, 0);
	got(CALL(read, e->in, buf, sizeof(buf)));
	CALL(read, e->in, buf, 64);
	CALL(read, e->in, buf, (size_t)-1);
}

static void with_cuts(struct ends *e, int i)
{
	static const size_t cuts[] = { 1, 7, 30, 61, 80, 100, 110 };

	(void)i;
	feed(e);
	for (size_t k = 0; k < sizeof(cuts) / sizeof(*cuts); k++)
		got(CALL(read, e->in, buf, cuts[k]));
}

static void with_ends(struct ends *e, int i)
{
	feed(e);
	if (i == 1) /* unread bytes at the other end: that is reset */
		CALL(write, e->out, "x", 1);
	hide();
	if (is_tcp(e)) { /* the order in which its last packets come */
		struct pollfd p = { .fd = e->in, .events = POLLRDHUP };

		close_feed(e);
		RAW(poll, &p, 1, -1);
	}
	close_feed(e);
	unhide();
	got(CALL(read, e->in, buf, 50));
	if (i == 1 && is_tcp(e)) /* what a reset leaves of the rest is for the kernel to say */
		return;
	got(CALL(recv, e->in, buf, sizeof(buf), 0));
	got(CALL(read, e->in, buf, sizeof(buf)));
	CALL(read, e->in, buf, sizeof(buf));
	CALL(read, e->in, buf, 0);
	CALL(recv, e->in, buf, sizeof(buf), MSG_PEEK);
}

static void with_read_chk(struct ends *e, int i)
{
	(void)i;
	CALL(__read_chk, e->in, buf, 64, sizeof(buf));
	CALL(__recv_chk, e->in, buf, 64, sizeof(buf), 0);
	CALL(__recvfrom_chk, e->in, buf, 64, sizeof(buf), 0, NULL, NULL);
	feed(e);
	CALL(__read_chk, e->in, NULL, 10, 10);
	CALL(__recv_chk, e->in, NULL, 10, 10, 0);
	CALL(__recvfrom_chk, e->in, NULL, 10, 10, 0, NULL, NULL);
	got(CALL(__recv_chk, e->in, buf, 20, 20, MSG_PEEK));
	got(CALL(__read_chk, e->in, buf, 20, 20));
	got(CALL(__recv_chk, e->in, buf, 60, sizeof(buf), 0));
	got(CALL(__recvfrom_chk, e->in, buf, 400, sizeof(buf), 0, NULL, NULL));
	got(CALL(__read_chk, e->in, buf, 400, sizeof(buf)));
}

/* --- readv and its like --- */

static int pieces(struct iovec *iov, int count, size_t each)
{
	for (int i = 0; i < count; i++)
		iov[i] = (struct iovec){ buf + (size_t)i * each, each };
	return count;
}

static void with_readv(struct ends *e, int i)
{
	static const int counts[] = { 1, 3, 1024 };
	static struct iovec iov[1025];
	volatile int odd[] = { 0, -1, 1025 };

	pieces(iov, 1025, i == 2 ? 1 : 40);
	for (int k = 0; i == 0 && k < 3; k++)
		CALL(readv, e->in, iov, odd[k]);
	CALL(readv, e->in, NULL, 1);
	CALL(readv, e->in, iov, 1);
	feed(e);
	CALL(readv, e->in, NULL, 0);
	CALL(readv, e->in, NOWHERE, 1);
	iov[1].iov_base = NOWHERE;
	iov[0].iov_len = 0;
	CALL(readv, e->in, iov, 2);
	iov[1].iov_len = (size_t)-1;
	CALL(readv, e->in, iov, 2);
	pieces(iov, 1025, i == 2 ? 1 : 40);
	iov[0].iov_len = 0;
	for (int k = 0; k < 5; k++)
		got_vector(CALL(readv, e->in, iov, counts[i]), iov, (size_t)counts[i]);
}

#define WITH_PREADV2(name)                                                           \
	static void with_##name(struct ends *e, int i)                               \
	{                                                                            \
		static const int flags[] = { 0, 0x8 /* NOWAIT */, 0x1, 0x4000, -1 }; \
		static struct iovec iov[1025];                                       \
		volatile int odd[] = { 0, -1, 1025 };                                \
                                                                                     \
		pieces(iov, 1025, 60);                                               \
		for (int k = 0; k < (i ? 1 : 3); k++)                                \
			CALL(name, e->in, iov, odd[k], -1, flags[i]);                \
		CALL(name, e->in, iov, 2, 0, flags[i]);                              \
		CALL(name, e->in, iov, 2, -2, flags[i]);                             \
		CALL(name, e->in, NULL, 1, -1, flags[i]);                            \
		CALL(name, e->in, iov, 2, -1, flags[i]);                             \
		feed(e);                                                             \
		CALL(name, e->in, NOWHERE, 1, -1, flags[i]);                         \
		for (int k = 0; k < 3; k++)                                          \
			got_vector(CALL(name, e->in, iov, 2, -1, flags[i]), iov, 2); \
	}

WITH_PREADV2(preadv2)
WITH_PREADV2(preadv64v2)

/* --- recv and its like --- */

static void with_recv(struct ends *e, int i)
{
	CALL(recv, e->in, buf, 0, recv_flags[i]);
	CALL(recv, e->in, NULL, 10, recv_flags[i]);
	CALL(recv, e->in, buf, 10, recv_flags[i] | MSG_DONTWAIT);
	feed(e);
	CALL(recv, e->in, NOWHERE, 10, recv_flags[i] & ~MSG_TRUNC);
	got(CALL(recv, e->in, buf, 20, recv_flags[i]));
	got(CALL(recv, e->in, buf, 10, 0));
	got(CALL(recv, e->in, buf, 500, recv_flags[i]));
	got(CALL(recv, e->in, buf, 500, 0));
}

static void with_recvfrom(struct ends *e, int i)
{
	struct sockaddr_storage from = { 0 };
	socklen_t len = sizeof(from), cut = 1, below = (socklen_t)-1;

	CALL(recvfrom, e->in, buf, 10, recv_flags[i] | MSG_DONTWAIT, (void *)&from, &len);
	feed(e);
	got(CALL(recvfrom, e->in, buf, 10, recv_flags[i], (void *)&from, &len));
	say("  from %d, %u\n", from.ss_family, len);
	got(CALL(recvfrom, e->in, buf, 30, recv_flags[i], (void *)&from, &cut));
	say("  from %d, %u\n", from.ss_family, cut);
	got(CALL(recvfrom, e->in, buf, 10, 0, (void *)&from, &below));
	got(CALL(recvfrom, e->in, buf, 10, 0, (void *)&from, NOWHERE));
	got(CALL(recvfrom, e->in, buf, 500, recv_flags[i], NULL, &len));
	got(CALL(recvfrom, e->in, buf, 500, 0, NULL, NULL));
}

static void with_recvmsg(struct ends *e, int i)
{
	static struct iovec iov[1025];
	struct sockaddr_storage from = { 0 };
	struct msghdr msg = { .msg_iov = iov };
	char control[64];

	pieces(iov, 1025, 40);
	CALL(recvmsg, e->in, NULL, recv_flags[i] | MSG_DONTWAIT);
	CALL(recvmsg, e->in, TOP, recv_flags[i] | MSG_DONTWAIT);
	CALL(recvmsg, e->in, &msg, recv_flags[i] | MSG_DONTWAIT);
	feed(e);
	msg.msg_iovlen = i ? (size_t)-1 : 1025;
	CALL(recvmsg, e->in, &msg, recv_flags[i]);
	msg = (struct msghdr){ .msg_iov = iov,
			       .msg_iovlen = 2,
			       .msg_name = &from,
			       .msg_namelen = sizeof(from),
			       .msg_control = control,
			       .msg_controllen = sizeof(control) };
	got_vector(CALL(recvmsg, e->in, &msg, recv_flags[i]), iov, 2);
	say("  name %u, control %zu, flags %#x\n", msg.msg_namelen, msg.msg_controllen,
	    (unsigned)msg.msg_flags);
	msg = (struct msghdr){ .msg_iov = NOWHERE, .msg_iovlen = 2 };
	CALL(recvmsg, e->in, &msg, recv_flags[i]);
	msg = (struct msghdr){ .msg_iov = iov, .msg_iovlen = i ? 9 : 1024 };
	got_vector(CALL(recvmsg, e->in, &msg, recv_flags[i]), iov, 1024);
	got_vector(CALL(recvmsg, e->in, &msg, 0), iov, 1024);
}

static void with_recvmmsg(struct ends *e, int i)
{
	static struct iovec iov[6];
	struct mmsghdr m[3] = { 0 };
	struct timespec none = { 0, 0 }, bad = { 0, -1 };

	pieces(iov, 6, 40);
	for (int k = 0; k < 3; k++)
		m[k].msg_hdr = (struct msghdr){ .msg_iov = iov + 2 * k, .msg_iovlen = 2 };
	CALL(recvmmsg, e->in, m, 0, recv_flags[i], NULL);
	CALL(recvmmsg, e->in, m, 3, recv_flags[i] | MSG_DONTWAIT, NULL);
	CALL(recvmmsg, e->in, NULL, 1, recv_flags[i] | MSG_DONTWAIT, NULL);
	feed(e);
	CALL(recvmmsg, e->in, m, 3, recv_flags[i], &bad);
	CALL(recvmmsg, e->in, NOWHERE, 1, recv_flags[i], NULL);
	for (int k = 0; k < 2; k++) {
		long n = CALL(recvmmsg, e->in, m, 3, recv_flags[i], k ? &none : NULL);

		for (int j = 0; j < n; j++)
			got_vector(m[j].msg_len > 80 ? 80 : m[j].msg_len, iov + 2 * j, 2);
	}
}

/* --- descriptors that travel --- */

static void put_rights(const struct ends *e, const int *fds, size_t n)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(4 * sizeof(int))];
	} control = { .head = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { (void *)(uintptr_t)e->arrives, e->arrives_len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control };

	control.head.cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(&control.head), fds, n * sizeof(int));
	msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
	RAW(sendmsg, e->feed, &msg, 0);
}

static void got_rights(const struct msghdr *msg)
{
	say("  control %zu, flags %#x\n", msg->msg_controllen, (unsigned)msg->msg_flags);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR((void *)(uintptr_t)msg, c))
		for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
			int fd;

			memcpy(&fd, (char *)c + at, sizeof(fd));
			say("  descriptor %d, %ld\n", fd, RAW(fcntl, fd, F_GETFD, 0));
			CALL(close, fd);
		}
}

static void with_rights(struct ends *e, int i)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct iovec iov = { buf, sizeof(buf) };
	struct mmsghdr m = { .msg_hdr = { .msg_iov = &iov,
					  .msg_iovlen = 1,
					  .msg_control = &control,
					  .msg_controllen = sizeof(control) } };
	int fds[] = { 0, e->in, e->in };
	long n;

	if (e->feed < 0 || e->kind == PIPE || e->kind == TTY || is_tcp(e))
		return;
	put_rights(e, fds, i == 0 ? 1 : 3);
	if (i == 1) /* no room for the last one */
		m.msg_hdr.msg_controllen = CMSG_LEN(2 * sizeof(int));
	if (i == 2)
		n = CALL(recvmmsg, e->in, &m, 1, MSG_CMSG_CLOEXEC, NULL) > 0 ? (long)m.msg_len : 0;
	else if (i == 3)
		n = CALL(read, e->in, buf, sizeof(buf)); /* they are thrown away */
	else
		n = CALL(recvmsg, e->in, &m.msg_hdr, i == 4 ? MSG_PEEK : 0);
	got(n);
	if (i != 3)
		got_rights(&m.msg_hdr);
}

/* --- time --- */

static void with_a_signal(struct ends *e, int i)
{
	struct iovec iov = { buf, 64 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct mmsghdr m = { .msg_hdr = msg };

	if (e->feed < 0 || e->kind == FILE_KIND)
		return;
	switch (i) {
	case 0:
		INTERRUPTED(read, e->in, buf, 64);
		break;
	case 1:
		INTERRUPTED(readv, e->in, &iov, 1);
		break;
	case 2:
		INTERRUPTED(preadv2, e->in, &iov, 1, -1, 0);
		break;
	default:
		if (e->kind == PIPE || e->kind == TTY)
			break;
		INTERRUPTED(recv, e->in, buf, 64, 0);
		INTERRUPTED(recvfrom, e->in, buf, 64, MSG_WAITALL, NULL, NULL);
		INTERRUPTED(recvmsg, e->in, &msg, 0);
		INTERRUPTED(recvmmsg, e->in, &m, 1, 0, NULL);
		break;
	}
	feed(e);
	got(CALL(read, e->in, buf, sizeof(buf)));
}

/* The kernel makes the call once more, and a byte ends it. */
static void with_a_restart(struct ends *e, int i)
{
	long child;

	(void)i;
	if (e->feed < 0 || e->kind == FILE_KIND)
		return;
	handle(SIGUSR1, SA_RESTART);
	child = help(SIGUSR1, e->feed);
	got(CALL(read, e->in, buf, 64));
	helped(child);
	handle(SIGUSR1, 0);
}

struct cancelled {
	struct ends *e;
	int i;
	_Atomic long tid;
};

static void *is_cancelled(void *arg)
{
	struct cancelled *c = arg;
	struct iovec iov = { buf, 64 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	atomic_store(&c->tid, RAW(gettid, 0, 0, 0));
	atomic_store(&differ_shared->ready, 1);
	if (c->i == 0)
		read(c->e->in, buf, 64);
	else if (c->i == 1)
		readv(c->e->in, &iov, 1);
	else if (c->i == 2)
		recv(c->e->in, buf, 64, 0);
	else
		recvmsg(c->e->in, &msg, 0);
	return NULL;
}

static void with_a_cancel(struct ends *e, int i)
{
	struct cancelled c = { .e = e, .i = i };
	pthread_t thread;
	void *ret = NULL;

	if (e->feed < 0 || e->kind == FILE_KIND || (i > 1 && (e->kind == PIPE || e->kind == TTY)))
		return;
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
	feed(e);
	got(CALL(read, e->in, buf, sizeof(buf)));
}

static const struct differ_case cases[] = {
	{ "read", with_read, 1, true },
	{ "cuts", with_cuts, 1, true },
	{ "ends", with_ends, 2, true },
	{ "_chk", with_read_chk, 1, true },
	{ "readv", with_readv, 3, true },
	{ "preadv2", with_preadv2, 5, true },
	{ "preadv64v2", with_preadv64v2, 5, true },
	{ "recv", with_recv, RECV_FLAGS, true },
	{ "recvfrom", with_recvfrom, RECV_FLAGS, true },
	{ "recvmsg", with_recvmsg, RECV_FLAGS, true },
	{ "recvmmsg", with_recvmmsg, RECV_FLAGS, true },
	{ "rights", with_rights, 5, true },
	{ NULL, NULL, 0, false },
};
static const struct differ_case blocking[] = {
	{ "a signal", with_a_signal, 4, true },
	{ "a restart", with_a_restart, 1, true },
	{ "a cancel", with_a_cancel, 4, true },
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
