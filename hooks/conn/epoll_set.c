/* SPDX-License-Identifier: Apache-2.0 */
#include "epoll_set.h"

#include <stdbool.h>
#include <sys/epoll.h>

#include "context.h"
#include "fd_table.h"
#include "process.h"

/*
 * Entries of the table of descriptors, which forgets them when they are closed.  They have no
 * index, so that they lead to no connection: a mark, how many forks there had been, and its
 * members: 0 for several, 1 for none, else the only one, plus two.
 */
#define MARK (1ull << 63)
#define FORKS 1023u
#define SEVERAL 0u
#define NONE 1u
#define ONE(fd) ((uint32_t)(fd) + 2)

static uint64_t entry_of(uint32_t members)
{
	return MARK | (uint64_t)(process_forks() & FORKS) << 53 | (uint64_t)members << 32;
}

static uint32_t members_of(uint64_t entry)
{
	uint32_t members = (uint32_t)(entry >> 32) & 0x1fffffu;

	return entry == entry_of(members) ? members : SEVERAL;
}

void epoll_set_made(int fd)
{
	/* A number that leads somewhere has been closed unseen. */
	if (!context_is_loop() && !fd_is_ours(fd))
		fd_put(fd, entry_of(NONE));
}

void epoll_set_changing(int set, int op, int fd)
{
	uint64_t entry = fd_entry(set);
	uint32_t members;

	do {
		if (!(entry & MARK))
			return;
		members = members_of(entry);
		if (op == EPOLL_CTL_ADD)
			members = members == NONE && (unsigned)fd < FD_TABLE_MAX - 2 ? ONE(fd) :
										       SEVERAL;
		else if (op == EPOLL_CTL_DEL && members == ONE(fd))
			members = NONE;
	} while (!fd_replace(set, &entry, entry_of(members)));
}

void epoll_set_copied(int fd)
{
	uint64_t entry = fd_entry(fd);

	while (entry & MARK && !fd_replace(fd, &entry, entry_of(SEVERAL)))
		;
}

int epoll_set_only(int set)
{
	uint64_t entry = fd_entry(set);
	uint32_t members = entry & MARK ? members_of(entry) : SEVERAL;

	return members > NONE ? (int)members - 2 : -1;
}
