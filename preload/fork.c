/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What fork(2) would break, put right around it.  Not by pthread_atfork(): handlers run in the
 * reverse order of registration, ours would run last, with the host's allocator locked; and libc's
 * is not called for every kind of fork anyway.  Who comes out of a raw clone(2) is recognised by
 * process_epoch().
 */
#include "exporter_life.h"
#include "guard.h"
#include "host.h"
#include "process.h"

bool host_before_fork(void)
{
	if (!host_is_observed() || thread_self.in_vfork || thread_self.ours)
		return false;
	process_will_fork();
	return exporter_quiesce();
}

void host_after_fork_in_parent(bool held)
{
	if (held)
		exporter_resume();
}

void host_after_fork_in_child(void)
{
	if (!host_is_observed())
		return;
	thread_self.in_vfork = 0; /* even out of a vfork child: this one has memory of its own */
	process_forked();
	thread_self.tid = 0;
	exporter_forget();
}
