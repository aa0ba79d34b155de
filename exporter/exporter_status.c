/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter_status.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "clock.h"
#include "counts.h"
#include "fate.h"
#include "rawsys.h"
#include "sleep.h"
#include "status.h"
#include "text.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#define WAIT_32 2u /* FUTEX_32 */
#define TELL_EVERY_NS 1000000000u
#define RESULT_TEXT 200u

static struct status_page *page;
static int page_fd = -1;
static bool can_be_asked;
static uint64_t told_ns;
static struct exporter *shown;
static const struct endpoint *target;

/* Of the last request. */
static struct {
	bool is_there;
	bool has_failed;
	uint64_t unix_ns;
	long code;
	char text[RESULT_TEXT];
} result;

/* --- life --- */

/* SECCOMP_MODE_DISABLED is 0; no such call, no such filter; and who refuses the question is one. */
static bool is_filtered(void)
{
	long mode = raw_syscall6(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0, 0);

	return mode != 0 && mode != -EINVAL;
}

static long file_new(void)
{
	long fd = raw_syscall3(SYS_memfd_create, (long)STATUS_NAME,
			       MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL, 0);

	if (fd < 0) /* before Linux 6.3 */
		fd = raw_syscall3(SYS_memfd_create, (long)STATUS_NAME,
				  MFD_CLOEXEC | MFD_ALLOW_SEALING, 0);
	return fd;
}

static bool file_prepare(int fd)
{
	/* Over the host's RLIMIT_FSIZE it is refused; the signal of that is blocked here. */
	return raw_syscall3(SYS_ftruncate, fd, STATUS_BYTES, 0) == 0 &&
	       raw_syscall3(SYS_fcntl, fd, F_ADD_SEALS,
			    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;
}

void status_open(struct exporter *x)
{
	long fd, at;

	/* In a forked child these are its parent's: neither descriptor nor mapping came along. */
	page = NULL;
	page_fd = -1;
	target = NULL;
	result.is_there = false;
	shown = x;
	told_ns = 0;
	if (is_filtered())
		return;
	fd = file_new();
	if (fd < 0)
		return;
	at = file_prepare((int)fd) ?
		     raw_mmap(NULL, STATUS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd, 0) :
		     -1;
	if (raw_is_error(at)) {
		raw_close((int)fd);
		return;
	}
	raw_madvise((void *)at, STATUS_BYTES, MADV_DONTFORK);
	raw_madvise((void *)at, STATUS_BYTES, MADV_DONTDUMP);
	page = (struct status_page *)at;
	page_fd = (int)fd;
	can_be_asked = true;
	page->magic = STATUS_MAGIC;
}

void status_close(void)
{
	if (!page)
		return;
	raw_munmap(page, STATUS_BYTES);
	raw_close(page_fd);
	page = NULL;
	target = NULL;
}

void status_endpoint(const struct endpoint *e)
{
	target = e;
}

void status_result(bool has_failed, const struct response *r)
{
	struct text to = TEXT_IN(result.text);

	if (!page)
		return;
	result.is_there = true;
	result.has_failed = has_failed;
	result.unix_ns = clock_realtime_ns();
	result.code = r->status;
	text_add_str(&to, r->text);
	if (to.len < sizeof(result.text))
		result.text[to.len] = '\0';
	else
		result.text[to.len - 1] = '\0';
}

/* --- what is told --- */

static void add_word(struct text *t, const char *key, uint64_t value)
{
	text_add_char(t, ' ');
	text_add_str(t, key);
	text_add_char(t, '=');
	text_add_uint(t, value);
}

/* One line stays one line. */
static void add_rest(struct text *t, const char *s)
{
	for (; *s; s++)
		text_add_char(t, (unsigned char)*s < ' ' ? ' ' : *s);
}

/* Without user and password, and without what a query may hold. */
static void add_url(struct text *t, const char *url)
{
	struct bytes rest = bytes_from_str(url);
	struct bytes scheme = { rest.ptr, 0 };
	size_t end = 0;

	while (scheme.len + 3 <= rest.len && memcmp(rest.ptr + scheme.len, "://", 3) != 0)
		scheme.len++;
	if (scheme.len + 3 > rest.len)
		return;
	rest = bytes_skip(rest, scheme.len + 3);
	text_add(t, scheme);
	text_add_str(t, "://");
	while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?')
		end++;
	for (size_t i = end; i > 0; i--)
		if (rest.ptr[i - 1] == '@') {
			rest = bytes_skip(rest, i);
			break;
		}
	text_add(t, bytes_split(&rest, '?'));
}

static const char *exporter_name(const struct config *cfg)
{
	switch (cfg->traces_exporter) {
	case EXPORTER_OTLP:
		return "otlp";
	case EXPORTER_CONSOLE:
		return "console";
	default:
		return "other";
	}
}

static void tell_exporter(struct text *t, uint64_t now)
{
	struct store *st = shown->store;

	text_add_str(t, "exporter");
	add_word(t, "pid", (uint64_t)raw_getpid());
	add_word(t, "tid", (uint64_t)raw_gettid());
	add_word(t, "unix_ns", now);
	add_word(t, "waiting", atomic_load(&st->done));
	add_word(t, "queue_limit", st->queue_limit);
	text_add_str(t, " kind=");
	text_add_str(t, exporter_name(shown->config));
	if (target) {
		text_add_str(t, " endpoint=");
		add_url(t, target->url);
	}
	text_add_char(t, '\n');
	if (!result.is_there)
		return;
	text_add_str(t, "result");
	add_word(t, "failed", result.has_failed);
	add_word(t, "unix_ns", result.unix_ns);
	add_word(t, "code", (uint64_t)result.code);
	text_add_str(t, " text=");
	add_rest(t, result.text);
	text_add_char(t, '\n');
}

static uint64_t count_of(const struct counts *c, enum stat_id which)
{
	return c->before[which] + stats_sum((struct stats *)(uintptr_t)&c->now, which);
}

/* own: this process, whose counters are told from where they are. */
static void tell_process(struct text *t, const struct counts *c, uint32_t pid, bool is_own)
{
	text_add_str(t, "process");
	add_word(t, "pid", pid);
	for (int i = 0; i < STATS; i++) {
		uint64_t n = is_own ? stats_read((enum stat_id)i) : count_of(c, (enum stat_id)i);

		if (n)
			add_word(t, stats_text((enum stat_id)i), n);
	}
	text_add_char(t, '\n');
}

static bool is_dead(uint32_t pid)
{
	return raw_syscall3(SYS_kill, (long)pid, 0, 0) == -ESRCH;
}

static void tell_processes(struct text *t)
{
	struct store *st = shown->store;
	uint32_t own = (uint32_t)raw_getpid();
	uint32_t used = atomic_load(&st->counted);

	tell_process(t, NULL, own, true);
	if (used > STORE_COUNTS)
		used = STORE_COUNTS;
	for (uint32_t i = COUNTS_ENDED + 1; i < used; i++) {
		struct counts *c = counts_of(st, i);
		uint32_t pid = atomic_load(&c->pid);

		if (!pid || pid == own)
			continue;
		if (is_dead(pid))
			counts_bury(st, i);
		else
			tell_process(t, c, pid, false);
	}
	if (used) /* of who has ended; a page that nobody has touched is not looked at */
		tell_process(t, counts_of(st, COUNTS_ENDED), 0, false);
}

/* In the order of numbers; two hexadecimal digits each, so that one that is cut is seen to be. */
static void tell_fates(struct text *t, const _Atomic uint8_t *of, uint32_t pid)
{
	static const char digits[] = "0123456789abcdef";

	text_add_str(t, "fates");
	add_word(t, "pid", pid);
	text_add_str(t, " at=");
	for (size_t fd = 0; fd < FATE_FDS; fd++) {
		uint8_t fate = atomic_load_explicit(&of[fd], memory_order_relaxed);

		if (!fate)
			continue;
		text_add_uint(t, fd);
		text_add_char(t, ':');
		text_add_char(t, digits[fate >> 4]);
		text_add_char(t, digits[fate & 15]);
		text_add_char(t, ',');
	}
	text_add_char(t, '\n');
}

/* Behind all numbers: of many processes they may not have room. */
static void tell_all_fates(struct text *t)
{
	struct store *st = shown->store;
	uint32_t own = (uint32_t)raw_getpid();
	uint32_t used = atomic_load(&st->counted);

	tell_fates(t, fates, own);
	for (uint32_t i = COUNTS_ENDED + 1; i < used && i < STORE_COUNTS; i++) {
		struct counts *c = counts_of(st, i);
		uint32_t pid = atomic_load(&c->pid);

		if (pid && pid != own)
			tell_fates(t, c->fates, pid);
	}
}

static void tell(void)
{
	uint32_t asked = atomic_load(&page->asked);
	struct text t = { page->text, sizeof(page->text), 0, false };

	atomic_fetch_add(&page->version, 1);
	tell_exporter(&t, clock_realtime_ns());
	tell_processes(&t);
	tell_all_fates(&t);
	atomic_store(&page->len, (uint32_t)t.len);
	atomic_fetch_add(&page->version, 1);
	atomic_store(&page->answered, asked);
	raw_futex(&page->answered, FUTEX_WAKE, INT32_MAX, NULL);
	told_ns = clock_monotonic_ns();
}

/* --- when --- */

void status_answer(void)
{
	if (page && atomic_load(&page->asked) != atomic_load(&page->answered))
		tell();
}

/* struct futex_waitv, which older headers lack. */
struct waited {
	uint64_t value;
	uint64_t word;
	uint32_t flags;
	uint32_t reserved;
};

bool status_wait(_Atomic uint32_t *word, uint32_t seen, uint64_t until_ns)
{
	struct timespec until = { (time_t)(until_ns / 1000000000u),
				  (long)(until_ns % 1000000000u) };
	struct waited both[2] = { { seen, (uintptr_t)word, WAIT_32, 0 } };
	long r;

	if (!page || !can_be_asked)
		return false;
	both[1] = (struct waited){ atomic_load(&page->answered), (uintptr_t)&page->asked, WAIT_32,
				   0 };
	r = raw_syscall6(SYS_futex_waitv, (long)both, 2, 0,
			 until_ns == SLEEP_FOR_EVER ? 0 : (long)&until, CLOCK_MONOTONIC, 0);
	if (r == -ENOSYS || r == -EPERM || r == -EINVAL)
		can_be_asked = false;
	return can_be_asked;
}

void status_sleeps(bool is_long)
{
	if (page && !can_be_asked && (is_long || clock_monotonic_ns() - told_ns >= TELL_EVERY_NS))
		tell();
}

void status_no_questions(void)
{
	can_be_asked = false;
}
