/* SPDX-License-Identifier: Apache-2.0 */
#include "stats.h"

struct stats stats;

const char *stats_text(enum stat_id which)
{
	/* Arrays, not pointers: those would be relocated in every process that loads us. */
	static const char texts[STATS][32] = {
#define STAT(name, text) text,
#include "stats.def"
#undef STAT
	};

	return (unsigned int)which < STATS ? texts[which] : "";
}

void stats_reset(void)
{
	for (int i = 0; i < STATS; i++)
		atomic_store_explicit(&stats.count[i], 0, memory_order_relaxed);
}
