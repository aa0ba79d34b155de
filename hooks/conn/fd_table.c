/* SPDX-License-Identifier: Apache-2.0 */
#include "fd_table.h"

#include <stddef.h>

#include "rawsys.h"
#include "region.h"
#include "shake.h"

struct fd_bits fd_bits[FD_TABLE_MAX / 64];
struct fd_page *_Atomic fd_pages[FD_TABLE_MAX / FD_PAGE];
static _Atomic int highest = -1;

static void bit_set(_Atomic uint64_t *map, unsigned fd, bool on)
{
	uint64_t bit = 1ull << (fd % 64);

	if (on)
		atomic_fetch_or(map, bit);
	else if (atomic_load(map) & bit)
		atomic_fetch_and(map, ~bit);
}

/* Two threads may map the same page: one of them gives its own back. */
static _Atomic uint64_t *slot_make(int fd)
{
	struct fd_page *none = NULL;
	struct fd_page *made;

	if ((unsigned)fd >= FD_TABLE_MAX || fd_slot(fd))
		return fd_slot(fd);
	made = region_map(sizeof(struct fd_page));
	if (!made)
		return NULL;
	if (!atomic_compare_exchange_strong(&fd_pages[(unsigned)fd / FD_PAGE], &none, made))
		raw_munmap(made, sizeof(struct fd_page));
	return fd_slot(fd);
}

/*
 * After a change of the entry.  Others may change it meanwhile, and its bit: whoever sets the bit
 * last has looked at the entry afterwards (all sequentially consistent), so that in the end both
 * say the same.
 */
static void bit_follow(int fd, const _Atomic uint64_t *e)
{
	bool on;

	do {
		on = atomic_load(e) != 0;
		SHAKE();
		bit_set(&fd_bits[(unsigned)fd / 64].tracked, (unsigned)fd, on);
		SHAKE();
	} while (UNLIKELY((atomic_load(e) != 0) != on));
}

bool fd_put(int fd, uint64_t entry)
{
	_Atomic uint64_t *e = slot_make(fd);
	int top = atomic_load_explicit(&highest, memory_order_relaxed);

	if (!e)
		return false;
	atomic_store(e, entry);
	while (fd > top && !atomic_compare_exchange_weak(&highest, &top, fd))
		;
	bit_follow(fd, e);
	return true;
}

uint64_t fd_take(int fd)
{
	_Atomic uint64_t *e = fd_slot(fd);
	uint64_t entry;

	if (!e)
		return 0;
	entry = atomic_exchange(e, 0);
	bit_follow(fd, e);
	return entry;
}

bool fd_take_if(int fd, uint64_t entry)
{
	_Atomic uint64_t *e = fd_slot(fd);

	if (!e || !atomic_compare_exchange_strong(e, &entry, 0))
		return false;
	bit_follow(fd, e);
	return true;
}

bool fd_replace(int fd, uint64_t *was, uint64_t entry)
{
	_Atomic uint64_t *e = fd_slot(fd);

	return e && atomic_compare_exchange_strong(e, was, entry);
}

bool fd_is_own_client(int fd)
{
	return (unsigned)fd < FD_TABLE_MAX &&
	       (atomic_load_explicit(&fd_bits[(unsigned)fd / 64].own_client,
				     memory_order_relaxed) >>
		((unsigned)fd % 64)) &
		       1;
}

void fd_set_own_client(int fd, bool is_client)
{
	if ((unsigned)fd < FD_TABLE_MAX)
		bit_set(&fd_bits[(unsigned)fd / 64].own_client, (unsigned)fd, is_client);
}

int fd_highest(void)
{
	return atomic_load_explicit(&highest, memory_order_relaxed);
}
