/* SPDX-License-Identifier: Apache-2.0 */
/* Every lock, sleep and wait that may end what a thread has inherited; see differ.h. */
#define _GNU_SOURCE
#include <mqueue.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/eventfd.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <threads.h>
#include <time.h>

#include "differ_ends.h"

/* Later than the oldest libc that this is built with. */
int pthread_mutex_clocklock(pthread_mutex_t *m, clockid_t c, const struct timespec *t);
int pthread_rwlock_clockrdlock(pthread_rwlock_t *l, clockid_t c, const struct timespec *t);
int pthread_rwlock_clockwrlock(pthread_rwlock_t *l, clockid_t c, const struct timespec *t);
int sem_clockwait(sem_t *s, clockid_t c, const struct timespec *t);

static const struct timespec past = { 1, 0 }, below = { 1, -1 }, above = { 1, 1000000000 },
			     none = { 0, 0 }, moment = { 0, 1000 };

static void mutexes_of(int type)
{
	pthread_mutexattr_t attr;
	pthread_mutex_t m;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, type);
	pthread_mutex_init(&m, &attr);
	CALL(pthread_mutex_lock, &m);
	if (type != PTHREAD_MUTEX_NORMAL) /* again: refused, or counted */
		CALL(pthread_mutex_lock, &m);
	CALL(pthread_mutex_trylock, &m);
	CALL(pthread_mutex_timedlock, &m, &past);
	CALL(pthread_mutex_timedlock, &m, &below);
	CALL(pthread_mutex_timedlock, &m, &above);
	CALL(pthread_mutex_clocklock, &m, CLOCK_MONOTONIC, &past);
	CALL(pthread_mutex_clocklock, &m, CLOCK_REALTIME, &below);
	CALL(pthread_mutex_clocklock, &m, 99, &past);
	while (pthread_mutex_unlock(&m) == 0 && type == PTHREAD_MUTEX_RECURSIVE)
		;
	CALL(pthread_mutex_trylock, &m);
	pthread_mutex_unlock(&m);
	CALL(pthread_mutex_timedlock, &m, &past);
	pthread_mutex_unlock(&m);
	CALL(pthread_mutex_clocklock, &m, CLOCK_REALTIME, &past);
	pthread_mutex_unlock(&m);
	pthread_mutex_destroy(&m);
}

static void mutexes(void)
{
	mtx_t m;

	begin("mutexes", "");
	mutexes_of(PTHREAD_MUTEX_NORMAL);
	mutexes_of(PTHREAD_MUTEX_RECURSIVE);
	mutexes_of(PTHREAD_MUTEX_ERRORCHECK);
	mtx_init(&m, mtx_timed);
	CALL(mtx_lock, &m);
	CALL(mtx_trylock, &m);
	CALL(mtx_timedlock, &m, &past);
	CALL(mtx_timedlock, &m, &below);
	mtx_unlock(&m);
	CALL(mtx_timedlock, &m, &past);
	mtx_unlock(&m);
	mtx_destroy(&m);
}

static void read_write_locks(void)
{
	pthread_rwlock_t l = PTHREAD_RWLOCK_INITIALIZER;

	begin("read-write locks", "");
	CALL(pthread_rwlock_rdlock, &l);
	CALL(pthread_rwlock_tryrdlock, &l);
	CALL(pthread_rwlock_timedrdlock, &l, &past);
	CALL(pthread_rwlock_clockrdlock, &l, CLOCK_MONOTONIC, &past);
	CALL(pthread_rwlock_trywrlock, &l);
	CALL(pthread_rwlock_timedwrlock, &l, &past);
	CALL(pthread_rwlock_timedwrlock, &l, &below);
	CALL(pthread_rwlock_clockwrlock, &l, CLOCK_REALTIME, &past);
	CALL(pthread_rwlock_clockwrlock, &l, 99, &past);
	for (int i = 0; i < 4; i++)
		pthread_rwlock_unlock(&l);
	CALL(pthread_rwlock_wrlock, &l);
	CALL(pthread_rwlock_wrlock, &l);
	CALL(pthread_rwlock_rdlock, &l);
	CALL(pthread_rwlock_tryrdlock, &l);
	CALL(pthread_rwlock_timedrdlock, &l, &above);
	CALL(pthread_rwlock_clockrdlock, &l, CLOCK_REALTIME, &below);
	pthread_rwlock_unlock(&l);
	CALL(pthread_rwlock_trywrlock, &l);
	pthread_rwlock_unlock(&l);
}

static void other_locks(void)
{
	pthread_spinlock_t s;
	pthread_barrier_t b;

	begin("other locks", "");
	pthread_spin_init(&s, PTHREAD_PROCESS_PRIVATE);
	CALL(pthread_spin_lock, &s);
	CALL(pthread_spin_trylock, &s);
	pthread_spin_unlock(&s);
	CALL(pthread_spin_trylock, &s);
	pthread_barrier_init(&b, NULL, 1);
	CALL(pthread_barrier_wait, &b);
	CALL(pthread_barrier_wait, &b);
	pthread_barrier_destroy(&b);
}

static void semaphores(void)
{
	sem_t s;

	begin("semaphores", "");
	sem_init(&s, 0, 2);
	CALL(sem_wait, &s);
	CALL(sem_trywait, &s);
	CALL(sem_trywait, &s);
	CALL(sem_timedwait, &s, &past);
	CALL(sem_timedwait, &s, &below);
	CALL(sem_timedwait, &s, &above);
	CALL(sem_clockwait, &s, CLOCK_MONOTONIC, &past);
	CALL(sem_clockwait, &s, 99, &past);
	sem_post(&s);
	CALL(sem_timedwait, &s, &below);
	sem_post(&s);
	CALL(sem_clockwait, &s, CLOCK_REALTIME, &past);
	INTERRUPTED(sem_wait, &s);
	INTERRUPTED(sem_timedwait, &s, &(struct timespec){ 1l << 40, 0 });
	INTERRUPTED(sem_clockwait, &s, CLOCK_MONOTONIC, &(struct timespec){ 1l << 40, 0 });
	sem_destroy(&s);
}

static void sleeps(void)
{
	struct timespec left = { 7, 7 }, long_time = { 1000, 0 };

	begin("sleeps", "");
	CALL(sched_yield);
	thrd_yield();
	say("thrd_yield()\n");
	CALL(sleep, 0);
	CALL(usleep, 0);
	CALL(usleep, 1);
	CALL(nanosleep, &none, NULL);
	CALL(nanosleep, &moment, &left);
	CALL(nanosleep, &below, &left);
	CALL(nanosleep, &above, NULL);
	CALL(nanosleep, NULL, NULL);
	CALL(thrd_sleep, &none, NULL);
	CALL(thrd_sleep, &below, &left);
	CALL(clock_nanosleep, CLOCK_MONOTONIC, 0, &moment, NULL);
	CALL(clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, &past, NULL);
	CALL(clock_nanosleep, CLOCK_MONOTONIC, 0, &below, NULL);
	CALL(clock_nanosleep, 99, 0, &none, NULL);
	CALL(clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &none, NULL);
	INTERRUPTED(nanosleep, &long_time, &left);
	INTERRUPTED(clock_nanosleep, CLOCK_MONOTONIC, 0, &long_time, &left);
	INTERRUPTED(thrd_sleep, &long_time, NULL);
	INTERRUPTED(usleep, 1000000000);
	/* Of the thousand seconds how many are left is for the clock to say. */
	INTERRUPTED(!!sleep, 1000);
}

static void signals(void)
{
	sigset_t set, empty, all;
	siginfo_t info;
	int sig = 0;

	begin("signals", "");
	sigemptyset(&empty);
	sigemptyset(&set);
	sigfillset(&all);
	sigaddset(&set, SIGUSR2);
	handle(SIGUSR2, 0);
	sigprocmask(SIG_BLOCK, &set, NULL);
	CALL(sigtimedwait, &set, &info, &none);
	CALL(sigtimedwait, &set, NULL, &below);
	CALL(sigtimedwait, NULL, NULL, &none);
	raise(SIGUSR2);
	CALL(sigwait, &set, &sig);
	say("  signal %d\n", sig);
	raise(SIGUSR2);
	CALL(sigwaitinfo, &set, &info);
	say("  signal %d, code %d\n", info.si_signo, info.si_code);
	raise(SIGUSR2);
	CALL(sigtimedwait, &set, NULL, &none);
	raise(SIGUSR2);
	CALL(sigsuspend, &empty);
	say_signals();
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	INTERRUPTED(pause);
	INTERRUPTED(sigsuspend, &empty);
	INTERRUPTED(sigwaitinfo, &set, &info);
	INTERRUPTED(sigtimedwait, &set, NULL, NULL);
	CALL(sigsuspend, NOWHERE);
}

/* --- queues of the kernel --- */

static void messages(void)
{
	char name[64]; /* this process's own: others do the same at the same time */
	struct mq_attr attr = { .mq_maxmsg = 2, .mq_msgsize = 16 };
	char text[16] = "";
	unsigned prio = 0;
	mqd_t q;

	begin("messages", "");
	snprintf(name, sizeof(name), "/interspan-differ-%ld", RAW(getpid, 0, 0, 0));
	hide();
	mq_unlink(name);
	q = mq_open(name, O_CREAT | O_RDWR | O_EXCL, 0600, &attr);
	mq_unlink(name);
	unhide();
	if (q < 0) {
		differ_skip("mq_open");
	} else {
		CALL(mq_timedreceive, q, text, 16, &prio, &past);
		CALL(mq_timedreceive, q, text, 16, &prio, &below);
		CALL(mq_receive, q, text, 1, NULL);
		mq_send(q, "one", 3, 7);
		mq_send(q, "two", 3, 1);
		CALL(mq_receive, q, text, 16, &prio);
		say("  %.3s %u\n", text, prio);
		CALL(mq_timedreceive, q, text, 16, NULL, &past);
		INTERRUPTED(mq_receive, q, text, 16, NULL);
		INTERRUPTED(mq_timedreceive, q, text, 16, NULL, NULL);
		mq_close(q);
	}
	CALL(mq_receive, -1, text, 16, NULL);
	CALL(mq_timedreceive, -1, text, 16, NULL, &past);
}

static void system_v_messages(void)
{
	struct {
		long type;
		char text[8];
	} msg = { 1, "hello" };
	int q = msgget(IPC_PRIVATE, 0600);

	begin("System V messages", "");
	CALL(msgrcv, -1, &msg, 8, 0, 0);
	if (q < 0) {
		differ_skip("msgget");
		return;
	}
	msgsnd(q, &msg, 8, 0);
	CALL(msgrcv, q, &msg, 1, 0, 0);
	CALL(msgrcv, q, &msg, 8, 2, IPC_NOWAIT);
	CALL(msgrcv, q, NOWHERE, 8, 2, IPC_NOWAIT);
	CALL(msgrcv, q, &msg, (size_t)-1, 0, IPC_NOWAIT);
	CALL(msgrcv, q, &msg, 1, 0, IPC_NOWAIT | MSG_NOERROR);
	INTERRUPTED(msgrcv, q, &msg, 8, 0, 0);
	msgctl(q, IPC_RMID, NULL);
}

static void system_v_semaphores(void)
{
	struct sembuf down = { 0, -1, IPC_NOWAIT }, wait = { 0, -1, 0 }, up = { 0, 1, 0 };
	int id = semget(IPC_PRIVATE, 1, 0600);

	begin("System V semaphores", "");
	CALL(semop, -1, &down, 1);
	CALL(semtimedop, -1, &down, 1, &none);
	if (id < 0) {
		differ_skip("semget");
		return;
	}
	CALL(semop, id, &up, 1);
	CALL(semop, id, &down, 1);
	CALL(semop, id, &down, 1);
	CALL(semop, id, NOWHERE, 1);
	CALL(semop, id, &down, 0);
	CALL(semop, id, NULL, 1 << 20);
	CALL(semtimedop, id, &wait, 1, &none);
	CALL(semtimedop, id, &wait, 1, &below);
	INTERRUPTED(semop, id, &wait, 1);
	INTERRUPTED(semtimedop, id, &wait, 1, NULL);
	semctl(id, 0, IPC_RMID);
}

static void others(void)
{
	int fd = eventfd(3, EFD_NONBLOCK | EFD_SEMAPHORE);
	static char stack[65536];
	stack_t s = { .ss_sp = stack, .ss_size = sizeof(stack) }, old = { 0 };
	stack_t small = { .ss_sp = stack, .ss_size = 1 }, odd = { .ss_flags = 99 };
	eventfd_t value = 0;

	begin("others", "");
	for (int i = 0; i < 4; i++)
		CALL(eventfd_read, fd, &value);
	CALL(eventfd_read, fd, NOWHERE);
	CALL(eventfd_read, -1, &value);
	say("  %llu\n", (unsigned long long)value);
	RAW(close, fd, 0, 0);
	CALL(sigaltstack, NULL, &old);
	CALL(sigaltstack, &s, &old);
	CALL(sigaltstack, &small, NULL);
	CALL(sigaltstack, &odd, NULL);
	CALL(sigaltstack, NOWHERE, NULL);
	CALL(sigaltstack, NULL, NOWHERE);
	s.ss_flags = SS_DISABLE;
	CALL(sigaltstack, &s, &old);
	say("  %zu, flags %d\n", old.ss_size, old.ss_flags);
}

/* --- cancellation --- */

static sem_t nobody_posts;

static void *waits_for_ever(void *arg)
{
	struct timespec long_time = { 1000, 0 };
	sigset_t set;

	sigemptyset(&set);
	atomic_store(&differ_shared->tid, RAW(gettid, 0, 0, 0));
	atomic_store(&differ_shared->ready, 1);
	switch (*(int *)arg) {
	case 0:
		sem_wait(&nobody_posts);
		break;
	case 1:
		nanosleep(&long_time, NULL);
		break;
	case 2:
		pause();
		break;
	case 3:
		sigwaitinfo(&set, NULL);
		break;
	default:
		sleep(1000);
		break;
	}
	return NULL;
}

static void cancels(void)
{
	begin("cancels", "");
	sem_init(&nobody_posts, 0, 0);
	for (int i = 0; i < 5; i++) {
		pthread_t thread;
		void *ret = NULL;

		await(&thread, waits_for_ever, &i);
		pthread_cancel(thread);
		hide();
		pthread_join(thread, &ret);
		unhide();
		say("cancelled %d\n", ret == PTHREAD_CANCELED);
	}
}

static void (*const all[])(void) = { mutexes,
				     read_write_locks,
				     other_locks,
				     semaphores,
				     sleeps,
				     signals,
				     messages,
				     others,
				     cancels,
				     system_v_messages,
				     system_v_semaphores,
				     NULL };

static void *heir(void *arg)
{
	(*(void (*const *)(void))arg)();
	return NULL;
}

/* Each by a thread that was started while a request was served, and may belong to it. */
static void heirs(void)
{
	struct ends e;
	pthread_t thread;

	begin("heirs", "");
	if (!ends_open(&e, HTTP_SERVER, false, false))
		return;
	for (size_t i = 0; all[i]; i++) {
		if (pthread_create(&thread, NULL, heir, (void *)(uintptr_t)&all[i]) != 0)
			continue;
		hide();
		pthread_join(thread, NULL);
		unhide();
	}
	begin("heirs are gone", "");
	CALL(write, e.out, e.leaves, e.leaves_len);
	ends_close(&e);
}

int main(void)
{
	differ_start();
	for (size_t i = 0; all[i]; i++)
		all[i]();
	heirs();
	say_state();
	return 0;
}
