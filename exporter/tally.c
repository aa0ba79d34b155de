/* SPDX-License-Identifier: Apache-2.0 */
#include "tally.h"

void tally_lost(const struct tally *t, size_t spans, bool is_late)
{
	stats_add(t->dropped, spans);
	if (t->store)
		stats_add(is_late ? STAT_SPANS_LATE : STAT_SPANS_FAILED,
			  store_account(t->store, spans));
}

void tally_accepted(const struct tally *t, size_t spans, size_t rejected)
{
	stats_add(t->exported, spans - rejected);
	stats_add(t->dropped, rejected);
	if (!t->store)
		return;
	(void)store_account(t->store, spans);
	stats_inc(STAT_EXPORTS);
	stats_add(STAT_SPANS_EXPORTED, spans - rejected);
	stats_add(STAT_SPANS_FAILED, rejected);
}
