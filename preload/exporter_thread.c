/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter_thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include "process.h"
#include "rawsys.h"
#include "region.h"
#include "resolve.h"
#include "single.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#define MADV_KEEPONFORK 19
#endif

#define PAGE 4096u

#define STACK_BYTES REGION_STACK_BYTES
#define STACK_LAST_BYTES (8u << 20) /* for hosts with megabytes of thread-locals */

static _Atomic uint32_t on_stack; /* the last thread that was given the stack of ours; 0: none */

/*
 * What lies above the frame of this call is libc's: a child of newer ones (2.41) goes through its
 * threads, and would find a list that is empty in its middle.
 */
static void wipe_on_fork(char *stack)
{
	char here;
	uintptr_t keep = ((uintptr_t)&here & ~(uintptr_t)(PAGE - 1)) - PAGE;

	raw_madvise(stack, STACK_BYTES, MADV_KEEPONFORK);
	if (keep > (uintptr_t)stack && keep < (uintptr_t)stack + STACK_BYTES)
		raw_madvise(stack, keep - (uintptr_t)stack, MADV_WIPEONFORK);
}

void exporter_thread_began(void *stack)
{
	if (!stack)
		return;
	atomic_store(&on_stack, (uint32_t)raw_gettid());
	wipe_on_fork(stack);
}

void exporter_thread_forget(void)
{
	if (atomic_load(&on_stack)) /* a write costs a child a copy of the page */
		atomic_store(&on_stack, 0);
}

/*
 * A stack of ours, for libc's own would be copied by every fork() of the host's, or, if it were
 * not, be missing where libc gives it to a thread of the host's.  NULL: the last thread is not off
 * it, or there is no memory; libc has one, then.
 */
static void *stack_get(void)
{
	uint32_t who = atomic_load(&on_stack);

	if (who && raw_syscall3(SYS_tgkill, (long)process_pid(), (long)who, 0) == 0)
		return NULL;
	return region_stack();
}

static int create_on_ours(__typeof__(&pthread_create) create, void *(*body)(void *))
{
	__typeof__(&pthread_attr_init) attr_init = resolve("pthread_attr_init");
	__typeof__(&pthread_attr_destroy) attr_destroy = resolve("pthread_attr_destroy");
	__typeof__(&pthread_attr_setdetachstate) detach = resolve("pthread_attr_setdetachstate");
	__typeof__(&pthread_attr_setstack) set = resolve("pthread_attr_setstack");
	void *stack = attr_init && attr_destroy && detach && set ? stack_get() : NULL;
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	if (!stack || attr_init(&attr) != 0)
		return EINVAL;
	detach(&attr, PTHREAD_CREATE_DETACHED);
	r = set(&attr, stack, STACK_BYTES);
	if (r == 0)
		r = create(&thread, &attr, body, stack);
	attr_destroy(&attr);
	return r;
}

/*
 * The pthread functions that moved from libpthread to libc with glibc 2.34, and with them to a
 * version that older systems do not have, are looked up.
 */
int exporter_thread_create(void *(*body)(void *))
{
	__typeof__(&pthread_create) create = resolve("pthread_create");
	__typeof__(&pthread_attr_init) attr_init = resolve("pthread_attr_init");
	__typeof__(&pthread_attr_destroy) attr_destroy = resolve("pthread_attr_destroy");
	__typeof__(&pthread_attr_setdetachstate) detach = resolve("pthread_attr_setdetachstate");
	__typeof__(&pthread_attr_setstacksize) stack = resolve("pthread_attr_setstacksize");
	pthread_attr_t attr;
	pthread_t thread;
	bool is_libcs = create && single_survives((void *)create);
	bool stays_single = is_libcs && single_get();
	int r;

	if (!create || !attr_init || !attr_destroy || !detach || !stack || attr_init(&attr) != 0)
		return ENOSYS;
	detach(&attr, PTHREAD_CREATE_DETACHED);
	/* Another library's thread may need more, and says so on stderr, as TSan's does. */
	r = is_libcs ? create_on_ours(create, body) : EINVAL;
	/* EINVAL: the host's thread-locals alone do not fit. */
	for (size_t size = STACK_BYTES; r == EINVAL && size <= STACK_LAST_BYTES; size *= 2) {
		stack(&attr, size);
		r = create(&thread, &attr, body, NULL);
	}
	/* No signal has come in between (start()): this thread has created no other one. */
	if (stays_single)
		single_set(true);
	attr_destroy(&attr);
	return r;
}
