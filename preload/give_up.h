/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GIVE_UP_H
#define GIVE_UP_H
/*
 * What waits when a process has waited long enough for its delivery, and what our thread still
 * holds (tid, 0: there is none): counted as STAT_SPANS_LATE.  Past its deadline the thread takes no
 * more, so none is counted twice, nor between two chairs.  Signal-safe, no lock.
 */
#include <stdbool.h>
#include <stdint.h>

#include "store.h"

/*
 * For a process that may have no thread, or may start none here: another one that has the store
 * lives, and delivers what waits with the next span that it ends, or when it ends itself.  Two
 * system calls for each process of the family, until one is found.
 */
bool give_up_is_others(struct store *st);

/*
 * An exec may fail: what waits, and was told once, is not told again until some was delivered,
 * which accepted, the exporter's count of it, shows.
 */
void give_up_for_now(struct store *st, uint32_t tid, uint32_t accepted);

/*
 * The process ends.  What waits may be other processes' to deliver, who have the store, too, and
 * would count it again: it is taken off, if delivery has failed (is_late) or there is nobody else.
 */
void give_up_for_good(struct store *st, uint32_t tid, uint32_t accepted, bool is_late);

#endif
