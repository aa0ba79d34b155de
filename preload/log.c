/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "clock.h"
#include "config.h"
#include "process.h"
#include "rawsys.h"
#include "stats.h"
#include "text.h"

#define LINE_BYTES 1536  /* within the 2 KiB of stack that a hook may use (design 7) */
#define STATS_BYTES 4096 /* every counter, and then some */
#define SECOND_NS 1000000000u

/*
 * O_APPEND: lines of several processes follow each other.  O_NONBLOCK: a FIFO that nobody reads
 * must not hold the program up; it means nothing for a file.
 */
#define LOG_OPEN_FLAGS (O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

/*
 * A write beyond RLIMIT_FSIZE is SIGXFSZ, which ends the host (law 1).  Only regular files count;
 * what cannot be asked is not written.
 */
static bool may_grow(int fd, size_t len)
{
	struct rlimit limit;
	struct stat st;

	if (raw_is_error(raw_syscall6(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, (long)&limit, 0, 0)))
		return false;
	if (limit.rlim_cur == RLIM_INFINITY)
		return true;
	if (raw_is_error(raw_syscall3(SYS_fstat, fd, (long)&st, 0)))
		return false;
	return !S_ISREG(st.st_mode) || (rlim_t)st.st_size + len <= limit.rlim_cur;
}

static void line_write(struct text *t)
{
	long fd = 2;

	if (t->len == t->cap)
		t->len--;
	text_add_char(t, '\n');
	if (!bytes_equal(config.log, BYTES("stderr")))
		fd = raw_open(config.log.ptr, LOG_OPEN_FLAGS, 0644);
	if (fd < 0)
		return;
	if (may_grow((int)fd, t->len))
		(void)raw_write((int)fd, t->to, t->len);
	if (fd != 2)
		raw_close((int)fd);
}

/* Counts lines of this second; a race lets a few more through, which does not matter. */
static bool may_write(void)
{
	static _Atomic uint64_t second;
	static _Atomic uint32_t lines;
	uint64_t now = clock_monotonic_ns() / SECOND_NS;

	if (atomic_exchange(&second, now) != now)
		atomic_store(&lines, 0);
	return atomic_fetch_add(&lines, 1) < LOG_LINES_PER_SECOND;
}

/* One line stays one line, whatever somebody put into it. */
static void add_printable(struct text *t, struct bytes piece)
{
	for (size_t i = 0; i < piece.len; i++) {
		unsigned char c = (unsigned char)piece.ptr[i];

		text_add_char(t, c < 0x20 || c == 0x7f ? '?' : (char)c);
	}
}

static void line_begin(struct text *t)
{
	text_add_str(t, "interspan pid=");
	text_add_uint(t, process_pid());
	text_add_char(t, ' ');
}

void log_line(const struct bytes *pieces, size_t n)
{
	char buf[LINE_BYTES];
	struct text t = TEXT_IN(buf);

	if (config.log.len == 0 || config.log_level < LEVEL_WARN || !may_write())
		return;
	line_begin(&t);
	for (size_t i = 0; i < n; i++)
		add_printable(&t, pieces[i]);
	line_write(&t);
}

/* The program's file name, with nothing in it that would split the line's fields. */
static void add_program(struct text *t)
{
	char path[512];
	/* Not self: that is the main thread, which may have left before the others. */
	long n = raw_readlink("/proc/thread-self/exe", path, sizeof(path));
	long at;

	if (n < 0) /* Linux before 3.17 has no thread-self */
		n = raw_readlink("/proc/self/exe", path, sizeof(path));
	at = n;
	if (n <= 0) {
		text_add_char(t, '?'); /* no /proc, as in many a chroot */
		return;
	}
	while (at > 0 && path[at - 1] != '/')
		at--;
	for (; at < n; at++) {
		char c = path[at];

		text_add_char(t, (unsigned char)c <= 0x20 || c == '=' || c == 0x7f ? '_' : c);
	}
}

void log_stats(void)
{
	/* Who else writes at the end of this very process tells the same. */
	static _Atomic uint32_t writing;
	static char buf[STATS_BYTES];
	struct text t = TEXT_IN(buf);

	if (config.log.len == 0 || config.log_level < LEVEL_INFO ||
	    atomic_exchange(&writing, process_epoch()) == process_epoch())
		return;
	line_begin(&t);
	text_add_str(&t, "exe=");
	add_program(&t);
	/* Not the counter: a forked child counts from 0, and is loaded all the same. */
	text_add_str(&t, " loaded=1");
	for (int i = 0; i < STATS; i++) {
		uint64_t value = stats_read((enum stat_id)i);

		if (value == 0 || i == STAT_LOADED)
			continue;
		text_add_char(&t, ' ');
		text_add_str(&t, stats_text((enum stat_id)i));
		text_add_char(&t, '=');
		text_add_uint(&t, value);
	}
	line_write(&t);
	atomic_store(&writing, 0);
}
