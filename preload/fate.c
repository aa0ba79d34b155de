/* SPDX-License-Identifier: Apache-2.0 */
#include "fate.h"

#include "counts.h"
#include "shake.h"

_Atomic uint8_t fates[FATE_FDS];

/*
 * After a change of ours.  Others may change it meanwhile: whoever writes the copy last has looked
 * at ours afterwards (all sequentially consistent), so that in the end both say the same.
 */
static void follow(struct counts *home, int fd)
{
	uint8_t fate;

	do {
		fate = atomic_load(&fates[fd]);
		SHAKE();
		atomic_store(&home->fates[fd], fate);
		SHAKE();
	} while (UNLIKELY(atomic_load(&fates[fd]) != fate));
}

NO_INLINE void fate_change(int fd, uint8_t fate)
{
	struct counts *home;

	atomic_store(&fates[fd], fate);
	SHAKE();
	home = counts_home();
	if (home)
		follow(home, fd);
}

/* Who changes one meanwhile sees the home that we have, or we see the change. */
void fates_move(void)
{
	struct counts *home = counts_home();

	atomic_thread_fence(memory_order_seq_cst);
	for (int fd = 0; home && fd < (int)FATE_FDS; fd++)
		if (atomic_load(&fates[fd]))
			follow(home, fd);
}
