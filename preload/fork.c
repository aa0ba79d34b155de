/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What fork(2) would break, put right around it.  Not by pthread_atfork(): handlers run in the
 * reverse order of registration, ours would run last, with the host's allocator locked; and libc's
 * is not called for every kind of fork anyway.  Who comes out of a raw clone(2) is recognised by
 * process_epoch().
 */
#include "config.h"
#include "exporter_life.h"
#include "guard.h"
#include "host.h"
#include "process.h"
#include "process_span.h"
#include "stack.h"
#include "store.h"

_Atomic bool host_listens;

struct host_fork host_before_fork(void)
{
	struct host_fork f = { .is_held = false };

	if (!host_is_observed() || thread_self.in_vfork || thread_self.ours)
		return f;
	process_will_fork();
	if (UNLIKELY(atomic_load(&host_listens)) && !config.sdk_disabled &&
	    config.traces_exporter != EXPORTER_NONE)
		(void)store_open();
	f.place = child_reserve();
	f.is_held = exporter_quiesce();
	f.has_stacks = stack_quiesce();
	return f;
}

void host_after_fork_in_parent(struct host_fork before, pid_t child)
{
	if (before.is_held)
		exporter_resume();
	if (before.has_stacks)
		stack_resume();
	child_forked(before.place, child);
}

void host_after_fork_in_child(struct host_fork before)
{
	if (!host_is_observed())
		return;
	thread_self.in_vfork = 0; /* even out of a vfork child: this one has memory of its own */
	process_forked();
	thread_self.tid = 0;
	if (before.has_stacks)
		stack_resume();
	exporter_forget();
	child_born(before.place);
}
