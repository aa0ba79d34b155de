/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTEXT_H
#define CONTEXT_H
/*
 * Which request caused this call?  The one interface behind which all evidence is weighed.
 *
 * Default-deny: a span under somebody else's request is a lie, a root is only a gap.  So an answer
 * is given only where the shape of the program is proven, and "none" everywhere else.  Three
 * shapes are:
 *
 *   solo   this thread read the request itself, synchronously (from a blocking descriptor, or after
 *          a wait for that one descriptor), no other request that it read is still open, and since
 *          then it has waited for nothing but connections that it opened itself.  Thread or process
 *          per request: gunicorn, ThreadingHTTPServer, Starman, CGI.  Apache's workers read
 *          without a wait what its listener thread has waited for, and uwsgi's threads what they
 *          have just accepted: there that is as good.
 *   loop   a native event loop that is known to act on a descriptor's event by touching that very
 *          descriptor first (nginx, lighttpd): the context is that of the descriptor touched last,
 *          and a wait ends it.  What else may set it going puts all in doubt (loop.h).
 *   heir   a thread that a solo one has started, until it may have got other work (inherit.h).
 *
 *   jvm    the thread is by its Java frames still where it read its last request (jvm.h),
 *          whatever it has waited for and whatever else is open.
 *
 * In runtimes that run several tasks on one thread behind our back (greenlets, node, BEAM, Ruby,
 * Lua) none holds, and the answer is always none.  A span that has ended is none, too.
 *
 * Every function: any thread, async-signal-safe, no lock, no allocation; call inside the guard.
 * But in a JVM, for calls of the JDK's own libraries, see jvm.h.
 */
#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "guard.h"
#include "runtime.h"
#include "span.h"

/* The descriptor of a wait that was not for exactly one. */
#define CONTEXT_MANY (-1)

/* Several tasks share a thread there and switch without a call that we see. */
#define RUNTIME_UNKNOWABLE \
	(RUNTIME_GREENLET | RUNTIME_NODE | RUNTIME_RUBY | RUNTIME_BEAM | RUNTIME_LUA)
#define RUNTIME_MANY_TASKS (RUNTIME_UNKNOWABLE | RUNTIME_JVM)
#define RUNTIME_LOOPS (RUNTIME_NGINX | RUNTIME_LIGHTTPD)

/* For tests: the runtime's flags (runtime.h) are taken from here instead. */
void context_assume(uint32_t runtime_flags);
extern HIDDEN bool context_is_assumed;
extern HIDDEN uint32_t context_assumed;

static ALWAYS_INLINE uint32_t context_flags(void)
{
	return UNLIKELY(context_is_assumed) ? context_assumed : runtime_flags();
}

/* Does this program have the loop shape, so that touches matter at all? */
static ALWAYS_INLINE bool context_is_loop(void)
{
	uint32_t flags = context_flags();

	return LIKELY(flags & RUNTIME_LOOPS) && LIKELY(!(flags & RUNTIME_MANY_TASKS));
}

/* Does what opened a connection say nothing of whom its first request is for? */
static ALWAYS_INLINE bool context_is_of_frames(void)
{
	return context_flags() & RUNTIME_JVM;
}

/*
 * The calling thread has waited: for fd alone, or for several (CONTEXT_MANY).  is_own: for an
 * answer to a call of its own, or for more of the request that it works for.
 */
static ALWAYS_INLINE void context_waited(int fd, bool is_own)
{
	struct thread *t = &thread_self;

	t->waits++;
	t->wait_fd = fd;
	t->in_doubt = 0;
	t->said_in_doubt |= fd == CONTEXT_MANY;
	/* Waiting for what is one's own is part of the request's work, all else may end it. */
	if ((!is_own && !context_is_of_frames()) || context_is_loop())
		t->current = (struct span_ref){ 0, 0 };
}

/* Was the last wait of this thread for fd and nothing else? */
bool context_waited_for(int fd);

/* Waits of the calling thread so far: tells whether there was one in between. */
static ALWAYS_INLINE uint32_t context_waits(void)
{
	return thread_self.waits;
}

/*
 * Is a request read synchronously however the program waited for it?  is_just_accepted: this thread
 * has accepted its connection, and has not waited since.
 */
bool context_reads_at_once(bool is_just_accepted);

/* The calling thread gives the connection of this request to others: to an event loop. */
void context_let_go(struct span_ref server);

/* Does the calling thread work for this request, as far as it is known? */
bool context_is(struct span_ref server);

/*
 * The calling thread has read the head of a request, whose span is server; {0, 0}: it has none, or
 * it is not known who will serve it.  is_synchronous: see solo.
 */
void context_request_read(struct span_ref server, bool is_synchronous);

/* Somebody may be served whose requests are not told by context_request_read(). */
void context_request_unseen(void);

/* The calling thread touched a descriptor that works for bound (none: {0, 0}). */
static ALWAYS_INLINE void context_touched(struct span_ref bound)
{
	if (context_is_loop())
		thread_self.current = bound;
}

/*
 * In a loop: until its next wait it may work for requests whose descriptors it does not touch
 * first, so that context_current() has no answer.  Elsewhere nothing.
 */
void context_doubt(void);

/* The request that the calling thread works for; {0, 0} if none is proven. */
struct span_ref context_current(void);

/*
 * What a thread that the calling one starts now works for (inherit.h); {0, 0} if that is unknown.
 */
struct span_ref context_to_inherit(void);

/* Is it no loop, and does nothing switch between tasks on one thread behind our back? */
bool context_is_plain(void);

/*
 * In a loop the limit of whose waits is the time until its next timer (context_tells_timers()):
 * from that time on, in milliseconds of the monotonic clock, a timer may have fired.  It is asked
 * when context_current() is, which is later than the loop can have asked.
 */
bool context_tells_timers(void);
void context_timer(uint32_t due_ms);

#endif
