/* SPDX-License-Identifier: Apache-2.0 */
#include "spool_read.h"

#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "alloc.h"
#include "config.h"
#include "counts.h"
#include "rawsys.h"
#include "stats.h"

#define WORD_SLOTS 64u

struct directory_entry {
	uint64_t inode;
	int64_t offset;
	uint16_t len;
	uint8_t type;
	char name[];
};

/* --- which files there are --- */

void spool_begin(struct spool_reader *r)
{
	r->is_on = config.spool.len && !spool_is_filtered();
	r->dir = r->fd = -1;
	r->copy = NULL;
	r->n = r->at = 0;
}

static bool is_name(struct bytes name)
{
	size_t head = sizeof(SPOOL_PREFIX) - 1, tail = sizeof(SPOOL_SUFFIX) - 1;

	return name.len > head + tail && name.len < SPOOL_NAME_MAX &&
	       memcmp(name.ptr, SPOOL_PREFIX, head) == 0 &&
	       memcmp(name.ptr + name.len - tail, SPOOL_SUFFIX, tail) == 0;
}

static void names_take(struct spool_reader *r, const char *buf, long n)
{
	for (long at = 0; at < n && r->n < SPOOL_FILES_MAX;) {
		const struct directory_entry *d = (const void *)(buf + at);
		struct bytes name = bytes_from_str(d->name);

		if (is_name(name))
			memcpy(r->files[r->n++].name, name.ptr, name.len + 1);
		at += d->len;
	}
}

void spool_scan(struct spool_reader *r)
{
	_Alignas(8) char buf[2048];
	long n, dir;

	r->n = r->at = 0;
	if (!r->is_on)
		return;
	dir = spool_directory();
	if (dir < 0)
		return;
	while ((n = raw_syscall3(SYS_getdents64, dir, (long)buf, sizeof(buf))) > 0)
		names_take(r, buf, n);
	r->dir = (int)dir;
}

/* --- one file --- */

static bool read_at(struct spool_reader *r, size_t at, size_t len)
{
	return raw_syscall6(SYS_pread64, r->fd, (long)((char *)r->copy + at), (long)len, (long)at,
			    0, 0) == (long)len;
}

static bool write_at(struct spool_reader *r, size_t at, const void *from, size_t len)
{
	return raw_syscall6(SYS_pwrite64, r->fd, (long)from, (long)len, (long)at, 0, 0) ==
	       (long)len;
}

static _Atomic uint64_t *word_at(struct spool_reader *r, size_t map, uint32_t word)
{
	return (_Atomic uint64_t *)((char *)r->copy + map) + word;
}

static void forget(struct spool_reader *r)
{
	if (r->copy)
		raw_munmap(r->copy, r->bytes);
	if (r->fd >= 0)
		raw_close(r->fd);
	r->copy = NULL;
	r->fd = -1;
}

static void file_remove(struct spool_reader *r)
{
	raw_syscall3(SYS_unlinkat, r->dir, (long)r->files[r->at - 1].name, 0);
	forget(r);
}

/* Regular, ours alone, under one name, and nobody has it any more. */
static bool is_left(int fd, struct stat *ret)
{
	if (raw_syscall3(SYS_flock, fd, LOCK_EX | LOCK_NB, 0) != 0 ||
	    raw_syscall3(SYS_fstat, fd, (long)ret, 0) != 0)
		return false;
	return S_ISREG(ret->st_mode) && ret->st_nlink == 1 && !(ret->st_mode & 077) &&
	       ret->st_uid == (uid_t)raw_syscall3(SYS_geteuid, 0, 0, 0);
}

enum whose { OURS, OTHERS, NOBODYS };

/* Who was killed while it made the file has left nothing in it. */
static enum whose whose(const struct store *head, size_t bytes)
{
	if (head->magic != STORE_MAGIC || !head->spool_key)
		return NOBODYS;
	if (head->spool_key != spool_key())
		return OTHERS;
	if (head->slots < WORD_SLOTS || head->slots > STORE_MAX_SLOTS || head->slots % WORD_SLOTS ||
	    bytes != STORE_SLOT_AREA + (size_t)head->slots * STORE_SLOT_BYTES)
		return NOBODYS;
	return OURS;
}

static bool areas_read(struct spool_reader *r)
{
	return read_at(r, 0, sizeof(struct store)) && read_at(r, STORE_TAKEN_MAP, r->slots / 8) &&
	       read_at(r, STORE_DONE_MAP, r->slots / 8) &&
	       read_at(r, STORE_BLOCK_AREA, STORE_BLOCKS * STORE_BLOCK_BYTES);
}

static void slot_read(struct spool_reader *r, uint32_t index)
{
	struct span *s = store_slot(r->copy, index);
	uint32_t state;

	if (!read_at(r, STORE_SLOT_AREA + (size_t)index * STORE_SLOT_BYTES, STORE_SLOT_BYTES))
		memset(s, 0, STORE_SLOT_BYTES);
	state = atomic_load(&s->state);
	if (state != SLOT_DONE && state != SLOT_OPEN)
		return;
	if (s->start_ns > r->last_ns)
		r->last_ns = s->start_ns;
	if (state == SLOT_DONE && s->end_ns > r->last_ns)
		r->last_ns = s->end_ns;
}

/* What it has counted itself as lost, and would have told in its log. */
static uint64_t dropped_by(struct spool_reader *r, uint32_t place)
{
	static const enum stat_id lost[] = { STAT_SPANS_NO_SLOT, STAT_SPANS_QUEUE_FULL,
					     STAT_SPANS_DAMAGED, STAT_SPANS_FAILED,
					     STAT_SPANS_LATE,    STAT_SPANS_DIED };
	struct counts *c = counts_of(r->copy, place);
	uint64_t n = 0;

	if (!read_at(r, (size_t)((char *)c - (char *)r->copy), sizeof(*c)))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(lost); i++)
		n += stats_sum(&c->now, lost[i]);
	return n;
}

/*
 * And of what its exporter had collected that which was on its way: whether it arrived nobody
 * knows.  What that had not given back was not (store_inherit()).  Once: who comes after us finds
 * these numbers to be 0.
 */
static void count_what_is_lost(struct spool_reader *r, uint32_t collected)
{
	uint32_t held = atomic_load(&r->copy->in_hand), counted = atomic_load(&r->copy->counted);
	uint32_t none = 0;
	uint64_t n = held > collected && held <= STORE_MAX_SLOTS ? held - collected : 0;

	for (uint32_t i = COUNTS_ENDED + 1; i < counted && i < STORE_COUNTS; i++)
		n += dropped_by(r, i);
	if (write_at(r, offsetof(struct store, in_hand), &none, sizeof(none)) &&
	    write_at(r, offsetof(struct store, counted), &none, sizeof(none)))
		stats_add(STAT_SPANS_DIED, n);
}

static void slots_read(struct spool_reader *r)
{
	uint32_t collected = 0;

	for (uint32_t word = 0; word < r->slots / WORD_SLOTS; word++) {
		uint64_t taken = atomic_load(word_at(r, STORE_TAKEN_MAP, word));
		uint64_t done = atomic_load(word_at(r, STORE_DONE_MAP, word));

		for (; taken; taken &= taken - 1) {
			uint32_t at = (uint32_t)__builtin_ctzll(taken);

			slot_read(r, word * WORD_SLOTS + at);
			collected +=
				!(done >> at & 1) &&
				store_slot(r->copy, word * WORD_SLOTS + at)->state == SLOT_DONE;
		}
	}
	count_what_is_lost(r, collected);
}

static bool file_read(struct spool_reader *r, size_t bytes)
{
	struct store head = { 0 };
	long n = raw_syscall6(SYS_pread64, r->fd, (long)&head, sizeof(head), 0, 0, 0);
	enum whose w = n == (long)sizeof(head) ? whose(&head, bytes) : NOBODYS;

	if (w == NOBODYS)
		file_remove(r);
	if (w != OURS)
		return false;
	r->copy = map_memory(bytes);
	r->bytes = bytes;
	r->slots = head.slots;
	r->word = 0;
	r->last_ns = 0;
	if (!r->copy || !areas_read(r))
		return false;
	slots_read(r);
	return true;
}

bool spool_next(struct spool_reader *r)
{
	const int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	struct stat st;

	while (r->at < r->n) {
		const char *name = r->files[r->at++].name;

		r->fd = (int)raw_syscall6(SYS_openat, r->dir, (long)name, flags, 0, 0, 0);
		if (r->fd >= 0 && is_left(r->fd, &st) && file_read(r, (size_t)st.st_size))
			return true;
		forget(r);
	}
	spool_close(r);
	return false;
}

void spool_close(struct spool_reader *r)
{
	forget(r);
	if (r->dir >= 0)
		raw_close(r->dir);
	r->dir = -1;
	r->n = r->at = 0;
}

/* --- its records --- */

static bool is_told(const struct span *s)
{
	uint32_t state = atomic_load(&s->state);

	return state == SLOT_DONE || (state == SLOT_OPEN && s->verdict == VERDICT_SAMPLE);
}

size_t spool_take(struct spool_reader *r, struct store *st, uint32_t *ret_index, size_t max)
{
	size_t n = 0;

	for (; r->word < r->slots / WORD_SLOTS && n + WORD_SLOTS <= max; r->word++) {
		_Atomic uint64_t *taken = word_at(r, STORE_TAKEN_MAP, r->word);
		uint64_t bits = atomic_load(taken);

		for (; bits; bits &= bits - 1) {
			uint32_t index = r->word * WORD_SLOTS + (uint32_t)__builtin_ctzll(bits);

			if (is_told(store_slot(r->copy, index)))
				ret_index[n++] = index;
		}
		atomic_store(taken, 0);
	}
	if (n == 0) {
		file_remove(r);
		return 0;
	}
	atomic_fetch_add(&st->in_hand, (uint32_t)n);
	if (write_at(r, STORE_TAKEN_MAP, word_at(r, STORE_TAKEN_MAP, 0), r->slots / 8))
		return n;
	(void)store_account(st, n);
	forget(r);
	return 0;
}

static bool has_error_type(const struct record *rec)
{
	struct item_head head;
	struct bytes value;
	size_t at = 0;

	while (record_next(rec, &at, &head, &value))
		if (head.type == ITEM_STR && head.key == ATTR_ERROR_TYPE)
			return true;
	return false;
}

static void error_add(struct record *rec)
{
	static const char value[] = "process_exited";
	struct item_head head = { ITEM_STR, 0, ATTR_ERROR_TYPE, sizeof(value) - 1 };
	unsigned char *to = rec->items + rec->items_len;

	if (has_error_type(rec) || rec->head.attrs >= STORE_ATTRS_MAX ||
	    sizeof(rec->items) - rec->items_len < sizeof(head) + sizeof(value) - 1)
		return;
	memcpy(to, &head, sizeof(head));
	memcpy(to + sizeof(head), value, sizeof(value) - 1);
	rec->items_len += (uint32_t)(sizeof(head) + sizeof(value) - 1);
	rec->head.used = rec->items_len;
	rec->head.attrs++;
}

bool spool_record(struct spool_reader *r, uint32_t index, struct record *ret)
{
	struct span *s = store_slot(r->copy, index);
	bool was_open = atomic_load(&s->state) == SLOT_OPEN;

	if (was_open) {
		atomic_store(&s->state, SLOT_DONE);
		s->end_ns = r->last_ns > s->start_ns ? r->last_ns : s->start_ns;
		s->status = SPAN_STATUS_ERROR;
	}
	if (!store_read_of(r->copy, r->slots, index, ret))
		return false;
	stats_inc(STAT_SPANS_LEFT);
	if (was_open) {
		stats_inc(STAT_SPANS_ORPHANED);
		error_add(ret);
	}
	return true;
}
