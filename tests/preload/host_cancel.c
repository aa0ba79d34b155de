/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_cancel : a thread is cancelled in each call that waits, is a cancellation point, and has a
 * hook: as it waits, deferred and asynchronous, and by a cancellation that was there before.  Three
 * exchanges on the connection that it waited for, before, by its own cleanup handler, and after it,
 * show that it holds nothing any more.  Prints a line for each call.
 *
 * host_cancel list : the names of the calls.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>

#include "http_ends.h"

static struct ends e;
static char buf[64];
static struct iovec iov = { buf, sizeof(buf) };
static struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
static struct timespec minute = { 60, 0 };
static sigset_t usual;

/* --- the calls: each waits for ever --- */

#define READS(name, call)             \
	static void call_##name(void) \
	{                             \
		(void)!(call);        \
	}
READS(read, read(e.server, buf, sizeof(buf)))
READS(readv, readv(e.server, &iov, 1))
READS(preadv2, preadv2(e.server, &iov, 1, -1, 0))
READS(recv, recv(e.server, buf, sizeof(buf), 0))
READS(recvfrom, recvfrom(e.server, buf, sizeof(buf), 0, NULL, NULL))
READS(recvmsg, recvmsg(e.server, &msg, 0))

static void call_recvmmsg(void)
{
	struct mmsghdr one = { .msg_hdr = msg };

	recvmmsg(e.server, &one, 1, 0, NULL);
}

/* A head, which gets our line: the write waits with an edit under way. */
static char head[] = "GET /never HTTP/1.1\r\nHost: h\r\n\r\n";
static struct iovec out = { head, sizeof(head) - 1 };
static struct msghdr sent = { .msg_iov = &out, .msg_iovlen = 1 };

READS(write, write(e.client, head, sizeof(head) - 1))
READS(writev, writev(e.client, &out, 1))
READS(pwritev2, pwritev2(e.client, &out, 1, -1, 0))
READS(send, send(e.client, head, sizeof(head) - 1, 0))
READS(sendto, sendto(e.client, head, sizeof(head) - 1, 0, NULL, 0))
READS(sendmsg, sendmsg(e.client, &sent, 0))

static void call_sendmmsg(void)
{
	struct mmsghdr two[2] = { { .msg_hdr = sent }, { .msg_hdr = sent } };

	sendmmsg(e.client, two, 2, 0);
}

static void call_poll(void)
{
	struct pollfd p = { .fd = e.server, .events = POLLIN };

	poll(&p, 1, -1);
}

static void call_ppoll(void)
{
	struct pollfd p = { .fd = e.server, .events = POLLIN };

	ppoll(&p, 1, NULL, NULL);
}

static fd_set *readers(void)
{
	static fd_set set;

	FD_ZERO(&set);
	FD_SET(e.server, &set);
	return &set;
}

READS(select, select(e.server + 1, readers(), NULL, NULL, NULL))
READS(pselect, pselect(e.server + 1, readers(), NULL, NULL, NULL, NULL))

static int epoll_of(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epfd = epoll_create1(EPOLL_CLOEXEC);

	CHECK(epoll_ctl(epfd, EPOLL_CTL_ADD, e.server, &event) == 0);
	return epfd;
}

static struct epoll_event events[1];

READS(epoll_wait, epoll_wait(epoll_of(), events, 1, -1))
READS(epoll_pwait, epoll_pwait(epoll_of(), events, 1, -1, NULL))
READS(epoll_pwait2, epoll_pwait2(epoll_of(), events, 1, NULL, NULL))

static int listener_of(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(bind(fd, (struct sockaddr *)&at, sizeof(sa_family_t)) == 0 && listen(fd, 0) == 0);
	return fd;
}

READS(accept, accept(listener_of(), NULL, NULL))
READS(accept4, accept4(listener_of(), NULL, NULL, SOCK_CLOEXEC))

/* The second one waits until the first one is accepted. */
static void call_connect(void)
{
	struct sockaddr_un at;
	socklen_t len = sizeof(at);
	int fd = listener_of();

	CHECK(getsockname(fd, (struct sockaddr *)&at, &len) == 0);
	for (int i = 0; i < 3; i++)
		connect(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), (struct sockaddr *)&at,
			len);
}

static sem_t never;

READS(sem_wait, sem_wait(&never))
READS(sem_timedwait, sem_timedwait(&never, &(struct timespec){ INT32_MAX, 0 }))
READS(sem_clockwait, sem_clockwait(&never, CLOCK_MONOTONIC, &(struct timespec){ INT32_MAX, 0 }))
READS(nanosleep, nanosleep(&minute, NULL))
READS(clock_nanosleep, clock_nanosleep(CLOCK_MONOTONIC, 0, &minute, NULL))
READS(usleep, usleep(60000000))
READS(sleep, sleep(60))
READS(thrd_sleep, thrd_sleep(&minute, NULL))
READS(pause, pause())
READS(sigsuspend, sigsuspend(&usual))

static const sigset_t *rare(void)
{
	static sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	return &set;
}

READS(sigwait, sigwait(rare(), &(int){ 0 }))
READS(sigwaitinfo, sigwaitinfo(rare(), NULL))
READS(sigtimedwait, sigtimedwait(rare(), NULL, &minute))

static mqd_t queue_of(void)
{
	struct mq_attr few = { .mq_maxmsg = 1, .mq_msgsize = sizeof(buf) };
	mqd_t q = mq_open("/interspan-cancel", O_RDWR | O_CREAT, 0600, &few);

	CHECK(q >= 0 && mq_unlink("/interspan-cancel") == 0);
	return q;
}

READS(mq_receive, mq_receive(queue_of(), buf, sizeof(buf), NULL))
READS(mq_timedreceive,
      mq_timedreceive(queue_of(), buf, sizeof(buf), NULL, &(struct timespec){ INT32_MAX, 0 }))

static int message_queue = -1;

READS(msgrcv, msgrcv(message_queue, buf, sizeof(buf) - sizeof(long), 0, 0))
READS(eventfd_read, eventfd_read(eventfd(0, EFD_CLOEXEC), &(eventfd_t){ 0 }))

static pid_t child;

READS(wait, wait(NULL))
READS(waitpid, waitpid(child, NULL, 0))
READS(wait3, wait3(NULL, 0, NULL))
READS(wait4, wait4(child, NULL, 0, NULL))
READS(waitid, waitid(P_PID, (id_t)child, NULL, WEXITED))
READS(system, system("exec sleep 60"))

static void call_fcntl(void)
{
	static int file = -1;
	struct flock whole = { .l_type = F_WRLCK };

	if (file < 0) {
		file = file_of("x", 1);
		CHECK(fcntl(file, F_OFD_SETLK, &whole) == 0);
	}
	/* Of another open file, by another description of it. */
	snprintf(buf, sizeof(buf), "/proc/self/fd/%d", file);
	fcntl(open(buf, O_RDWR | O_CLOEXEC), F_OFD_SETLKW, &whole);
}

#define ONLY_DEFERRED 1 /* not safe to be cancelled at any moment, bare either */
#define FULL 2          /* with a connection that takes no more */

static const struct call {
	const char *name;
	void (*make)(void);
	int how;
} calls[] = {
#define ROW(name, how)                  \
	{                               \
#name, call_##name, how \
	}
	ROW(read, 0),
	ROW(readv, 0),
	ROW(preadv2, 0),
	ROW(recv, 0),
	ROW(recvfrom, 0),
	ROW(recvmsg, 0),
	ROW(recvmmsg, 0),
	ROW(write, FULL),
	ROW(writev, FULL),
	ROW(pwritev2, FULL),
	ROW(send, FULL),
	ROW(sendto, FULL),
	ROW(sendmsg, FULL),
	ROW(sendmmsg, FULL),
	ROW(poll, 0),
	ROW(ppoll, 0),
	ROW(select, 0),
	ROW(pselect, 0),
	ROW(epoll_wait, 0),
	ROW(epoll_pwait, 0),
	ROW(epoll_pwait2, 0),
	ROW(accept, 0),
	ROW(accept4, 0),
	ROW(connect, 0),
	ROW(sem_wait, 0),
	ROW(sem_timedwait, 0),
	ROW(sem_clockwait, 0),
	ROW(nanosleep, 0),
	ROW(clock_nanosleep, 0),
	ROW(usleep, 0),
	ROW(sleep, 0),
	ROW(thrd_sleep, 0),
	ROW(pause, 0),
	ROW(sigsuspend, 0),
	ROW(sigwait, 0),
	ROW(sigwaitinfo, 0),
	ROW(sigtimedwait, 0),
	ROW(mq_receive, ONLY_DEFERRED),
	ROW(mq_timedreceive, ONLY_DEFERRED),
	ROW(msgrcv, 0),
	ROW(eventfd_read, 0),
	ROW(wait, 0),
	ROW(waitpid, 0),
	ROW(wait3, 0),
	ROW(wait4, 0),
	ROW(waitid, 0),
	ROW(fcntl, ONLY_DEFERRED),
	ROW(system, ONLY_DEFERRED),
};

#define CALLS (sizeof(calls) / sizeof(calls[0]))

/* --- cancellation --- */

enum how { DEFERRED, ASYNCHRONOUS, BEFORE };

static const struct call *now;
static enum how how;
static _Atomic pid_t tid;

/* Not a byte more goes in, and no hook has seen those that did; nor those that are taken out. */
static void fill(int fd)
{
	static char much[100000];

	for (size_t len = sizeof(much); len; len /= 2)
		while (syscall(SYS_sendto, fd, much, len, MSG_DONTWAIT, NULL, 0) > 0)
			;
}

static void drain(int fd)
{
	static char much[100000];

	while (syscall(SYS_recvfrom, fd, much, sizeof(much), MSG_DONTWAIT, NULL, NULL) > 0)
		;
}

static void cleanup(void *unused)
{
	(void)unused;
	if (now->how & FULL)
		drain(e.server);
	exchange(e, "/cleanup");
}

static void *is_cancelled(void *arg)
{
	pthread_cleanup_push(cleanup, NULL);
	if (how == ASYNCHRONOUS)
		pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	if (how == BEFORE) {
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
		pthread_cancel(pthread_self());
		pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	}
	tid = (pid_t)syscall(SYS_gettid);
	now->make();
	pthread_cleanup_pop(0);
	return arg;
}

/* Waits until it waits. */
static void wait_asleep(void)
{
	const struct timespec pause_ns = { 0, 1000000 };
	char path[64], text[512], *state;
	int fd;
	ssize_t n;

	for (;;) {
		syscall(SYS_nanosleep, &pause_ns, NULL);
		if (!tid)
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = read(fd, text, sizeof(text) - 1);
		CHECK(fd >= 0 && n > 0 && close(fd) == 0);
		text[n] = '\0';
		state = strrchr(text, ')');
		if (state && state[2] == 'S')
			return;
	}
}

static bool cancel(void)
{
	pthread_t thread;
	void *result = NULL;

	tid = 0;
	if (now->how & FULL)
		fill(e.client);
	CHECK(pthread_create(&thread, NULL, is_cancelled, NULL) == 0);
	if (how != BEFORE) {
		wait_asleep();
		CHECK(pthread_cancel(thread) == 0);
	}
	CHECK(pthread_join(thread, &result) == 0);
	return result == PTHREAD_CANCELED;
}

static void row(void)
{
	static const char *const names[] = { "deferred", "asynchronous", "before" };
	bool is_cancelled_there;

	e = ends_open_unix(NULL);
	CHECK(fcntl(e.client, F_SETFL, 0) == 0 && fcntl(e.server, F_SETFL, 0) == 0);
	exchange(e, "/before");
	is_cancelled_there = cancel();
	exchange(e, "/after");
	ends_close(e);
	printf("%s, %s: %s\n", now->name, names[how],
	       is_cancelled_there ? "cancelled" : "returned");
}

static void waited_for(void)
{
	child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	CHECK(child > 0);
}

int main(int argc, char **argv)
{
	struct rlimit many = { 1024, 1024 };

	(void)argv;
	for (size_t i = 0; argc > 1 && i < CALLS; i++)
		puts(calls[i].name);
	if (argc > 1)
		return 0;
	setrlimit(RLIMIT_NOFILE, &many);
	sigaddset(&usual, SIGUSR2);
	sigprocmask(SIG_BLOCK, rare(), NULL);
	message_queue = msgget(IPC_PRIVATE, 0600);
	CHECK(message_queue >= 0 && sem_init(&never, 0, 0) == 0);
	waited_for();
	for (size_t i = 0; i < CALLS; i++)
		for (how = DEFERRED; how <= BEFORE; how++) {
			now = &calls[i];
			if (how != ASYNCHRONOUS || !(now->how & ONLY_DEFERRED))
				row();
		}
	msgctl(message_queue, IPC_RMID, NULL);
	kill(child, SIGKILL);
	CHECK(waitpid(child, NULL, 0) == child);
	return 0;
}
