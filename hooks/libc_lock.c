/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where work changes hands, or a thread sleeps until there is some: it ends what the thread has
 * inherited (inherit.h), and is a load and a branch for all others.  malloc and constructors call
 * some of these before anything else runs, so that they do not start us up.
 *
 * Not here: pthread_cond_wait() and its like, which have several versions, and are called with a
 * lock held that was taken by one of these; pthread_join(), which brings the result of a thread
 * that somebody named: who starts several, and waits for them, works for the same request still.
 */
#include <mqueue.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/eventfd.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <threads.h>

#include "hook.h"
#include "inherit.h"

/*
 * What is seldom is out of line, and reached by a jump: it would make all others save what it
 * changes.  Its caller is the hook's, therefore; if it was called it is ourselves, which is no
 * library that may lock.
 */
#define HOOK_BY(tells, type, name, params, args)                                                  \
	static NO_INLINE type name##_seldom params                                                \
	{                                                                                         \
		if (inherit_has())                                                                \
			tells;                                                                    \
		return ((__typeof__(&name))real_get_early(HOOK_##name))args;                      \
	}                                                                                         \
	EXPORT type name params                                                                   \
	{                                                                                         \
		void *real = atomic_load_explicit(&real_slot[HOOK_##name], memory_order_relaxed); \
                                                                                                  \
		if (UNLIKELY(!real) || inherit_has())                                             \
			return name##_seldom args;                                                \
		return ((__typeof__(&name))real)args;                                             \
	}
#define ENDS(type, name, params, args) HOOK_BY(inherit_end(), type, name, params, args)
#define LOCKS(name, params, args) \
	HOOK_BY(inherit_locks(__builtin_return_address(0)), int, name, params, args)

typedef const struct timespec *timespec_in;

LOCKS(pthread_mutex_lock, (pthread_mutex_t * m), (m))
LOCKS(pthread_mutex_trylock, (pthread_mutex_t * m), (m))
LOCKS(pthread_mutex_timedlock, (pthread_mutex_t *restrict m, timespec_in restrict t), (m, t))
LOCKS(pthread_mutex_clocklock, (pthread_mutex_t *restrict m, clockid_t c, timespec_in restrict t),
      (m, c, t))
LOCKS(mtx_lock, (mtx_t * m), (m))
LOCKS(mtx_trylock, (mtx_t * m), (m))
LOCKS(mtx_timedlock, (mtx_t *restrict m, timespec_in restrict t), (m, t))

LOCKS(pthread_rwlock_rdlock, (pthread_rwlock_t * l), (l))
LOCKS(pthread_rwlock_wrlock, (pthread_rwlock_t * l), (l))
LOCKS(pthread_rwlock_tryrdlock, (pthread_rwlock_t * l), (l))
LOCKS(pthread_rwlock_trywrlock, (pthread_rwlock_t * l), (l))
LOCKS(pthread_rwlock_timedrdlock, (pthread_rwlock_t *restrict l, timespec_in restrict t), (l, t))
LOCKS(pthread_rwlock_timedwrlock, (pthread_rwlock_t *restrict l, timespec_in restrict t), (l, t))
LOCKS(pthread_rwlock_clockrdlock,
      (pthread_rwlock_t *restrict l, clockid_t c, timespec_in restrict t), (l, c, t))
LOCKS(pthread_rwlock_clockwrlock,
      (pthread_rwlock_t *restrict l, clockid_t c, timespec_in restrict t), (l, c, t))

ENDS(int, pthread_spin_lock, (pthread_spinlock_t * l), (l))
ENDS(int, pthread_spin_trylock, (pthread_spinlock_t * l), (l))
ENDS(int, pthread_barrier_wait, (pthread_barrier_t * b), (b))

ENDS(int, sem_wait, (sem_t * s), (s))
ENDS(int, sem_trywait, (sem_t * s), (s))
ENDS(int, sem_timedwait, (sem_t *restrict s, timespec_in restrict t), (s, t))
ENDS(int, sem_clockwait, (sem_t *restrict s, clockid_t c, timespec_in restrict t), (s, c, t))

ENDS(int, sched_yield, (void), ())
ENDS(void, thrd_yield, (void), ())
ENDS(int, thrd_sleep, (timespec_in t, struct timespec *left), (t, left))
ENDS(unsigned, sleep, (unsigned s), (s))
ENDS(int, usleep, (useconds_t us), (us))
ENDS(int, nanosleep, (timespec_in t, struct timespec *left), (t, left))
ENDS(int, clock_nanosleep, (clockid_t c, int flags, timespec_in t, struct timespec *left),
     (c, flags, t, left))

ENDS(int, pause, (void), ())
ENDS(int, sigsuspend, (const sigset_t *set), (set))
ENDS(int, sigwait, (const sigset_t *restrict set, int *restrict sig), (set, sig))
ENDS(int, sigwaitinfo, (const sigset_t *restrict set, siginfo_t *restrict info), (set, info))
ENDS(int, sigtimedwait,
     (const sigset_t *restrict set, siginfo_t *restrict info, timespec_in restrict t),
     (set, info, t))

ENDS(ssize_t, mq_receive, (mqd_t q, char *buf, size_t len, unsigned *prio), (q, buf, len, prio))
ENDS(ssize_t, mq_timedreceive,
     (mqd_t q, char *restrict buf, size_t len, unsigned *restrict prio, timespec_in restrict t),
     (q, buf, len, prio, t))
ENDS(ssize_t, msgrcv, (int q, void *msg, size_t len, long type, int flags),
     (q, msg, len, type, flags))
ENDS(int, semop, (int id, struct sembuf *ops, size_t n), (id, ops, n))
ENDS(int, semtimedop, (int id, struct sembuf *ops, size_t n, timespec_in t), (id, ops, n, t))
ENDS(int, eventfd_read, (int fd, eventfd_t *value), (fd, value))

/* A runtime sets the thread up for itself: it has locks of its own, where we see nothing. */
ENDS(int, sigaltstack, (const stack_t *restrict now, stack_t *restrict old), (now, old))
