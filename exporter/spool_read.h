/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPOOL_READ_H
#define SPOOL_READ_H
/*
 * What dead processes have left in the spool (spool.h), for the exporter's thread.  Each file is
 * one reader's at a time, by its lock.  A record is taken off the file before it is told of, so
 * that a reader that is killed as well leaves the rest to the next one, and nothing is told twice;
 * what it had taken is in its own store's in_hand by then, which its heir counts.
 *
 * A file is another process's word: it is read into memory of our own, never mapped (who shortens
 * it would be SIGBUS in the host), and each record is checked as those of our own store are.
 */
#include "spool.h"
#include "store.h"

struct spool_reader {
	bool is_on;
	int dir, fd; /* of the scan, and of the file that is being read */
	uint32_t n, at;
	struct spool_file files[SPOOL_FILES_MAX];
	struct store
		*copy; /* of the file's head, maps and taken slots; at the places where they lie */
	size_t bytes;
	uint32_t slots, word;
	uint64_t last_ns; /* the latest time that is known of it: when what was open has ended */
};

/* When a thread begins: is there a spool, and may it be looked into? */
void spool_begin(struct spool_reader *r);

/*
 * Looks for files.  Then each that is a dead process's, and ours to tell of, and false in the end.
 */
void spool_scan(struct spool_reader *r);
MUST_USE bool spool_next(struct spool_reader *r);

/*
 * Takes up to max records off the file, and into st's in_hand; 0: that was all, and the file is
 * gone, or it cannot be written to.
 */
size_t spool_take(struct spool_reader *r, struct store *st, uint32_t *ret_index, size_t max);

/* One of those; false: damaged, and counted.  One that was open ends here, as process_exited. */
MUST_USE bool spool_record(struct spool_reader *r, uint32_t index, struct record *ret);

/* Leaves the rest for others, or for later. */
void spool_close(struct spool_reader *r);

#endif
