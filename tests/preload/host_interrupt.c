/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_interrupt : calls that wait are interrupted by a signal whose handler does not ask for a
 * restart; prints what each says, which is -1 and EINTR.  No call depends on when the signal comes:
 * another thread sends one after the other, each when the last one has been handled, until the call
 * is over.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include "http_ends.h"

/* So many for one call, a millisecond each, and it has gone on after all but the last few. */
#define ENOUGH 2000

static pthread_t waiting;
static _Atomic unsigned handled;
static _Atomic(const char *) now; /* the call that is under way */

static void on_signal(int number)
{
	(void)number;
	handled++;
}

static void *poke(void *arg)
{
	const struct timespec pause = { 0, 1000000 };
	unsigned sent = 0, before = 0;
	const char *call, *last = NULL;

	(void)arg;
	for (;;) {
		call = now;
		if (call != last)
			before = sent;
		last = call;
		if (sent - before > ENOUGH) {
			printf("%s goes on\n", call);
			exit(1);
		}
		if (call && sent == handled && pthread_kill(waiting, SIGUSR1) == 0)
			sent++;
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	}
	return NULL;
}

static void said(const char *call, long r)
{
	int error = errno;

	now = NULL;
	printf("%s = %ld, errno %d\n", call, r, r < 0 ? error : 0);
}
#define SAY(call)                          \
	do {                               \
		now = #call;               \
		said(#call, (long)(call)); \
	} while (0)

static void reads(int fd)
{
	char buf[9];
	int through[2];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct mmsghdr messages = { .msg_hdr = msg };

	CHECK(pipe(through) == 0);
	SAY(read(fd, buf, sizeof(buf)));
	SAY(recv(fd, buf, sizeof(buf), 0));
	SAY(recv(fd, buf, sizeof(buf), MSG_PEEK));
	SAY(recvfrom(fd, buf, sizeof(buf), 0, NULL, NULL));
	SAY(readv(fd, &iov, 1));
	SAY(preadv2(fd, &iov, 1, -1, 0));
	SAY(recvmsg(fd, &msg, 0));
	SAY(recvmmsg(fd, &messages, 1, 0, NULL));
	SAY(splice(fd, NULL, through[1], NULL, 9, 0));
	close(through[0]);
	close(through[1]);
}

/* Not a byte more goes in, and no hook has seen those that did. */
static void fill(int fd)
{
	static char much[100000];

	for (size_t len = sizeof(much); len; len /= 2)
		while (syscall(SYS_sendto, fd, much, len, MSG_DONTWAIT, NULL, 0) > 0)
			;
}

static void writes(int fd)
{
	static char text[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
	const size_t len = sizeof(text) - 1;
	struct iovec iov[2] = { { text, 20 }, { text + 20, len - 20 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	struct mmsghdr messages[2] = { { .msg_hdr = msg }, { .msg_hdr = msg } };
	int file = file_of(text, len);
	off_t start = 0;

	fill(fd);
	SAY(write(fd, text, len));
	SAY(send(fd, text, len, 0));
	SAY(sendto(fd, text, len, 0, NULL, 0));
	SAY(writev(fd, iov, 2));
	SAY(pwritev2(fd, iov, 2, -1, 0));
	SAY(sendmsg(fd, &msg, 0));
	SAY(sendmmsg(fd, messages, 2, 0));
	SAY(sendfile(fd, file, &start, len));
	close(file);
}

static void waits(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct epoll_event event = { .events = EPOLLIN };
	struct timespec minute = { 60, 0 };
	int epfd = epoll_create1(0);
	fd_set set;
	sem_t never;

	CHECK(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event) == 0 && sem_init(&never, 0, 0) == 0);
	FD_ZERO(&set);
	FD_SET(fd, &set);
	SAY(poll(&p, 1, -1));
	SAY(ppoll(&p, 1, NULL, NULL));
	SAY(select(fd + 1, &set, NULL, NULL, NULL));
	SAY(pselect(fd + 1, &set, NULL, NULL, NULL, NULL));
	SAY(epoll_wait(epfd, &event, 1, -1));
	SAY(epoll_pwait(epfd, &event, 1, -1, NULL));
	SAY(nanosleep(&minute, NULL));
	SAY(usleep(60000000));
	SAY(sem_wait(&never));
	close(epfd);
}

static struct ends ends_that_block(void)
{
	struct ends e = ends_open_unix(NULL);

	CHECK(fcntl(e.client, F_SETFL, 0) == 0 && fcntl(e.server, F_SETFL, 0) == 0);
	return e;
}

int main(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	struct ends e = ends_that_block();
	pthread_t other;

	waiting = pthread_self();
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
	CHECK(pthread_create(&other, NULL, poke, NULL) == 0);
	CHECK(bind(listener, (struct sockaddr *)&at, sizeof(sa_family_t)) == 0);
	CHECK(listen(listener, 1) == 0);
	SAY(accept(listener, NULL, NULL));
	SAY(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	exchange(e, "/1");
	reads(e.server);
	reads(e.client);
	waits(e.client);
	waits(e.server);
	exchange(e, "/2");
	writes(e.client);
	writes(e.server);
	return 0;
}
