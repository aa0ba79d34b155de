/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JVM_H
#define JVM_H
/*
 * Which request does a Java thread work for?  A pool whose threads read a request and call for it,
 * blocking, looks from libc like one whose threads take other tasks in between: queues change hands
 * in user space.  The stack of Java frames tells them apart.  Each activation of a method like
 * ServerImpl$Exchange.run reads the request that it serves itself, on its own thread.  So as long
 * as that method stands where it stood when the thread read its last request, this is the same
 * activation, and all that is called from there is called for that request; but for frames of what
 * runs other people's tasks meanwhile (a CompletableFuture that is joined, event loops).
 *
 * The stack is asked for by JVMTI, the JVM's own interface for tools, without any of its
 * capabilities: nothing is instrumented, no code is compiled otherwise.  HotSpot only, and only
 * where the call comes from the JDK's own libnio or libnet: these make it from a thread that the
 * JVM knows to be in native code, which JVMTI demands, and hold no array of the heap meanwhile.
 *
 * It does not see: a request of which no hook has seen the head.  Who learns of such connections
 * tells jvm_request_unseen(), and from then on nobody gets an answer.
 *
 * Every function: from such a call, in the guard; not signal-safe: JVMTI allocates.  errno may
 * change.
 */
#include <stdbool.h>
#include <stdint.h>

/* Where a method that serves requests stands on the stack; 0: nowhere. */
typedef uint16_t jvm_place;

/* caller: an address in what called libc. */
jvm_place jvm_place_get(const void *caller);

/* Does the calling thread still stand there, and does nothing above it run what is others'? */
bool jvm_is_at(const void *caller, jvm_place place);

/* Somebody may be served whose request we do not see.  Any thread, signal-safe. */
void jvm_request_unseen(void);

#endif
