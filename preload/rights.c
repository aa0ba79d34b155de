/* SPDX-License-Identifier: Apache-2.0 */
#include "rights.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>

#include "clock.h"
#include "config.h"
#include "exporter_life.h"
#include "guard.h"
#include "host.h"
#include "sandbox.h"
#include "spool.h"
#include "stats.h"

#define MS_NS 1000000u
#define LEAST_MS 100u  /* for what waits, however often this happens */
#define LEAVE_MS 2000u /* for a thread that has been told to leave, and only has to */

static _Atomic uint64_t waited_ns; /* so far, in this process */

/* A program may do this for each request, with a collector that does not answer. */
static uint32_t patience_ms(void)
{
	uint64_t waited_ms = atomic_load(&waited_ns) / MS_NS;
	uint64_t all = config.shutdown_timeout_ms;

	return waited_ms + LEAST_MS < all ? (uint32_t)(all - waited_ms) : LEAST_MS;
}

static bool exporter_leaves(void)
{
	uint64_t begin = clock_monotonic_ns();
	bool is_gone = exporter_park(patience_ms());

	for (uint32_t ms = 0; !is_gone && ms < LEAVE_MS; ms += LEAST_MS)
		is_gone = exporter_park(LEAST_MS);
	atomic_fetch_add(&waited_ns, clock_monotonic_ns() - begin);
	return is_gone;
}

void rights_fall(void)
{
	int saved = errno;

	/* Not the guard: a handler that interrupted a hook may give rights up, too. */
	if (!host_is_observed() || thread_self.in_vfork || thread_self.ours)
		return;
	if (!exporter_leaves())
		stats_inc(STAT_EXPORTER_STAYED);
	errno = saved;
}

void rights_filtered(enum sandbox sandbox)
{
	if (!host_is_observed() || thread_self.in_vfork || thread_self.ours)
		return;
	spool_stays();
	if (sandbox == SANDBOX_CLOSED) {
		host_goes_quiet();
		return;
	}
	rights_fall();
	if (sandbox == SANDBOX_NO_THREAD) {
		exporter_forbid();
		sandbox_outlives_exec();
	}
}
