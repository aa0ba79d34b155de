/* SPDX-License-Identifier: Apache-2.0 */
#include "ticks.h"

#ifdef WITH_TICKS
uint64_t ticks_since, ticks_none;

void ticks_learn_none(void)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < 1000; i++) {
		uint64_t before = ticks_now(), took = ticks_now() - before;

		least = took < least ? took : least;
	}
	ticks_none = least ? least : 1;
}
#endif
