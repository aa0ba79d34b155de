/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_threads CASE: threads that are started while a request is served, and what such threads
 * call.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <mqueue.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <threads.h>
#include <time.h>

#include "http_ends.h"

#define SAY(call)                                                 \
	do {                                                      \
		long r_;                                          \
                                                                  \
		errno = 77;                                       \
		r_ = (long)(call);                                \
		printf("%s = %ld, errno %d\n", #call, r_, errno); \
	} while (0)

/* What programs were linked against before glibc 2.34. */
int old_create(pthread_t *t, const pthread_attr_t *attr, void *(*routine)(void *), void *arg);
int old_trylock(pthread_mutex_t *m);
#if defined(__x86_64__) && __GLIBC_PREREQ(2, 34)
__asm__(".symver old_create, pthread_create@GLIBC_2.2.5");
__asm__(".symver old_trylock, pthread_mutex_trylock@GLIBC_2.2.5");
#else
int old_create(pthread_t *t, const pthread_attr_t *attr, void *(*routine)(void *), void *arg)
{
	return pthread_create(t, attr, routine, arg);
}

int old_trylock(pthread_mutex_t *m)
{
	return pthread_mutex_trylock(m);
}
#endif

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int locked_first = -1;

/* Before any constructor, and before environ is there. */
static void lock_first(void)
{
	locked_first = pthread_mutex_lock(&mutex);
	locked_first += pthread_mutex_unlock(&mutex);
}
__attribute__((section(".preinit_array"), used)) static void (*first)(void) = lock_first;

static struct ends outer;

static void begin(void)
{
	outer = ends_open();
	ask(outer, "/outer");
	take(outer, "/outer");
}

static void end(void)
{
	answer(outer);
	ends_close(outer);
}

static void *give_back(void *arg)
{
	return arg;
}

static void *leave_by_exit(void *arg)
{
	pthread_exit(arg);
}

static void start_and_join(void *(*routine)(void *), const pthread_attr_t *attr)
{
	static char arg;
	pthread_t t;
	void *got;

	CHECK(pthread_create(&t, attr, routine, &arg) == 0);
	CHECK(pthread_join(t, &got) == 0 && got == &arg);
}

static void values(void)
{
	pthread_attr_t tiny;
	pthread_t t;
	void *got;

	CHECK(locked_first == 0);
	pthread_attr_init(&tiny);
	CHECK(pthread_attr_setstacksize(&tiny, (size_t)PTHREAD_STACK_MIN) == 0);
	begin();
	start_and_join(give_back, NULL);
	start_and_join(leave_by_exit, NULL);
	start_and_join(give_back, &tiny);
	CHECK(old_create(&t, NULL, give_back, &got) == 0);
	CHECK(pthread_join(t, &got) == 0 && got == (void *)&got);
	CHECK(old_trylock(&mutex) == 0 && old_trylock(&mutex) == EBUSY);
	CHECK(pthread_mutex_unlock(&mutex) == 0);
	end();
}

/* --- cancellation --- */

static int cleaned;
static sem_t never;

static void clean(void *by)
{
	cleaned += *(int *)by;
}

#define WAITER(name, call)                         \
	static void *name(void *arg)               \
	{                                          \
		int one = 1;                       \
                                                   \
		pthread_cleanup_push(clean, &one); \
		for (;;)                           \
			call;                      \
		pthread_cleanup_pop(0);            \
		return arg;                        \
	}

WAITER(in_pause, pause())
WAITER(in_sem, sem_wait(&never))
WAITER(in_sleep, sleep(100))
WAITER(in_nanosleep, nanosleep(&((struct timespec){ 100, 0 }), NULL))
WAITER(in_clock, clock_nanosleep(CLOCK_MONOTONIC, 0, &((struct timespec){ 100, 0 }), NULL))
WAITER(in_usleep, usleep(100000))
WAITER(in_read, (void)!read(outer.server, &one, 1))
WAITER(in_loop, pthread_testcancel())

static void *at_any_time(void *arg)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	for (;;)
		__asm__ volatile("" ::: "memory");
	return arg;
}

static void cancelled(void)
{
	void *(*const waiters[])(void *) = { in_pause, in_sem,    in_sleep, in_nanosleep,
					     in_clock, in_usleep, in_read,  in_loop };
	pthread_t t;
	void *got;

	sem_init(&never, 0, 0);
	begin();
	for (size_t i = 0; i < sizeof(waiters) / sizeof(*waiters); i++) {
		CHECK(pthread_create(&t, NULL, waiters[i], NULL) == 0);
		CHECK(pthread_cancel(t) == 0); /* it may not have begun */
		CHECK(pthread_join(t, &got) == 0 && got == PTHREAD_CANCELED);
	}
	CHECK(cleaned == 8);
	CHECK(pthread_create(&t, NULL, at_any_time, NULL) == 0 && pthread_cancel(t) == 0);
	CHECK(pthread_join(t, &got) == 0 && got == PTHREAD_CANCELED);
	end();
}

/* --- many --- */

static void refused(void)
{
	pthread_attr_t vast;
	pthread_t t;

	pthread_attr_init(&vast);
	CHECK(pthread_attr_setstacksize(&vast, (size_t)1 << 47) == 0);
	begin();
	for (int i = 0; i < 300; i++) {
		errno = 77;
		CHECK(pthread_create(&t, &vast, give_back, NULL) == EAGAIN);
	}
	SAY(pthread_create(&t, &vast, give_back, NULL));
	for (int i = 0; i < 200; i++)
		start_and_join(give_back, NULL);
	end();
}

static void ten_thousand(void)
{
	pthread_t t[50];
	void *got;

	begin();
	for (int i = 0; i < 200; i++) {
		for (int k = 0; k < 50; k++)
			CHECK(pthread_create(&t[k], NULL, give_back, &got) == 0);
		for (int k = 0; k < 50; k++)
			CHECK(pthread_join(t[k], &got) == 0 && got == (void *)&got);
	}
	end();
}

/* --- who outlives the request --- */

static struct ends late;
static struct sockaddr_in listens_at = { .sin_family = AF_INET };
static int listener;

/* Others accept and answer: a thread that accepts is no heir any more. */
static void *only_ask(void *arg)
{
	late.client = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(connect(late.client, (struct sockaddr *)&listens_at, sizeof(listens_at)) == 0);
	ask(late, "/asked");
	return arg;
}

static int is_over;

static void *ask_afterwards(void *arg)
{
	while (!__atomic_load_n(&is_over, __ATOMIC_SEQ_CST))
		;
	return only_ask(arg);
}

static void finish(void)
{
	late.server = accept(listener, NULL, NULL);
	CHECK(late.server >= 0);
	take(late, "/asked");
	answer(late);
	ends_close(late);
}

static void outlived(void)
{
	socklen_t len = sizeof(listens_at);
	pthread_t t;

	listens_at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(bind(listener, (struct sockaddr *)&listens_at, len) == 0);
	CHECK(getsockname(listener, (struct sockaddr *)&listens_at, &len) == 0);
	CHECK(listen(listener, 1) == 0);
	begin();
	start_and_join(only_ask, NULL);
	finish();
	end();
	begin();
	CHECK(pthread_create(&t, NULL, ask_afterwards, NULL) == 0);
	end();
	__atomic_store_n(&is_over, 1, __ATOMIC_SEQ_CST);
	CHECK(pthread_join(t, NULL) == 0);
	finish();
}

/* --- what each call says --- */

static void *locks(void *arg)
{
	struct timespec past = { 1, 0 };
	pthread_mutexattr_t attr;
	pthread_mutex_t m;
	pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
	pthread_barrier_t barrier;
	pthread_spinlock_t spin;
	mtx_t c11;
	sem_t s;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&m, &attr);
	SAY(pthread_mutex_lock(&m));
	SAY(pthread_mutex_lock(&m));
	SAY(pthread_mutex_trylock(&m));
	SAY(pthread_mutex_timedlock(&m, &past));
	SAY(pthread_mutex_clocklock(&m, CLOCK_MONOTONIC, &past));
	SAY(pthread_mutex_clocklock(&m, 1234, &past));
	SAY(pthread_rwlock_wrlock(&rw));
	SAY(pthread_rwlock_wrlock(&rw));
	SAY(pthread_rwlock_rdlock(&rw));
	SAY(pthread_rwlock_tryrdlock(&rw));
	SAY(pthread_rwlock_trywrlock(&rw));
	SAY(pthread_rwlock_unlock(&rw));
	SAY(pthread_rwlock_rdlock(&rw));
	SAY(pthread_rwlock_timedwrlock(&rw, &past));
	SAY(pthread_rwlock_timedrdlock(&rw, &past));
	SAY(pthread_rwlock_clockwrlock(&rw, CLOCK_MONOTONIC, &past));
	SAY(pthread_rwlock_clockrdlock(&rw, CLOCK_MONOTONIC, &past));
	pthread_spin_init(&spin, 0);
	SAY(pthread_spin_lock(&spin));
	SAY(pthread_spin_trylock(&spin));
	pthread_barrier_init(&barrier, NULL, 1);
	SAY(pthread_barrier_wait(&barrier));
	mtx_init(&c11, mtx_timed);
	SAY(mtx_lock(&c11));
	SAY(mtx_trylock(&c11));
	SAY(mtx_timedlock(&c11, &past));
	sem_init(&s, 0, 2);
	SAY(sem_wait(&s));
	SAY(sem_trywait(&s));
	SAY(sem_trywait(&s));
	SAY(sem_timedwait(&s, &past));
	SAY(sem_clockwait(&s, CLOCK_MONOTONIC, &past));
	return arg;
}

static void *waits(void *arg)
{
	struct timespec bad = { 0, -1 }, none = { 0, 0 };
	char text[8];
	sigset_t set;
	eventfd_t value;
	stack_t stack = { .ss_flags = 99 };
	int efd = eventfd(3, EFD_NONBLOCK);

	sigemptyset(&set);
	SAY(sched_yield());
	thrd_yield();
	SAY(thrd_sleep(&bad, NULL));
	SAY(thrd_sleep(&none, NULL));
	SAY(sleep(0));
	SAY(usleep(1));
	SAY(nanosleep(&bad, NULL));
	SAY(nanosleep(&none, NULL));
	SAY(clock_nanosleep(CLOCK_MONOTONIC, 0, &bad, NULL));
	SAY(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &none, NULL));
	SAY(sigtimedwait(&set, NULL, &none));
	SAY(mq_receive(-1, text, 8, NULL));
	SAY(mq_timedreceive(-1, text, 8, NULL, &none));
	SAY(msgrcv(-1, text, 4, 0, IPC_NOWAIT));
	SAY(semop(-1, &((struct sembuf){ 0, 0, IPC_NOWAIT }), 1));
	SAY(semtimedop(-1, &((struct sembuf){ 0, 0, IPC_NOWAIT }), 1, &none));
	SAY(eventfd_read(efd, &value));
	SAY(eventfd_read(efd, &value));
	SAY(sigaltstack(&stack, NULL));
	SAY(syscall(SYS_futex, text, 99, 1, 2, 3, 4));
	SAY(syscall(SYS_gettid) == syscall(SYS_gettid));
	close(efd);
	return arg;
}

static void signalled(int sig)
{
	(void)sig;
}

static void *signals(void *arg)
{
	sigset_t usr1, others;
	siginfo_t info;
	int sig;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr1, NULL);
	pthread_kill(pthread_self(), SIGUSR1);
	SAY(sigwait(&usr1, &sig));
	pthread_kill(pthread_self(), SIGUSR1);
	SAY(sigwaitinfo(&usr1, &info));
	signal(SIGUSR1, signalled);
	pthread_kill(pthread_self(), SIGUSR1);
	sigfillset(&others);
	sigdelset(&others, SIGUSR1);
	SAY(sigsuspend(&others));
	return arg;
}

static void every_call(void)
{
	begin();
	for (int i = 0; i < 2; i++) { /* the first one finds out where they are */
		start_and_join(locks, NULL);
		start_and_join(waits, NULL);
		start_and_join(signals, NULL);
	}
	end();
}

static const struct host_case cases[] = {
	{ "values", values },     { "cancelled", cancelled },
	{ "refused", refused },   { "ten_thousand", ten_thousand },
	{ "outlived", outlived }, { "every_call", every_call },
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	alarm(60);
	return run_case(cases, argc, argv);
}
