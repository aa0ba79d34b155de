/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libinterspan-tls.so finds under the names that it calls.  Of the process it gets the C
 * library's functions for memory and strings alone, looked up in the C library itself: not those of
 * a preload, a sanitizer or the program.
 */
#include <errno.h>
#include <link.h>
#include <stdarg.h>
#include <sys/time.h>

#include "alloc.h"
#include "clock.h"
#include "partial.h"
#include "rawsys.h"
#include "resolve.h"
#include "retry_after.h"
#include "sleep.h"
#include "tls_object.h"
#include "wrap.h"

#define KEYS 32u
#define DAY_S 86400

/* --- stand-ins for what libc would do with its locks, its threads or the host's memory --- */

static long fail(void)
{
	errno = ENOSYS;
	return -1;
}

static long none(void)
{
	return 0;
}

static int tls_getentropy(void *to, size_t len)
{
	return raw_getrandom(to, len, 0) == (long)len ? 0 : (int)fail();
}

/* getrandom(2), by number. */
static long tls_syscall(long nr, ...)
{
	va_list args;
	void *to;
	size_t len;

	if (nr != SYS_getrandom)
		return fail();
	va_start(args, nr);
	to = va_arg(args, void *);
	len = va_arg(args, size_t);
	va_end(args);
	return raw_getrandom(to, len, 0);
}

static int tls_getpid(void)
{
	return (int)raw_getpid();
}

static time_t tls_time(time_t *ret)
{
	time_t now = (time_t)(clock_realtime_ns() / 1000000000u);

	if (ret)
		*ret = now;
	return now;
}

static int tls_gettimeofday(struct timeval *ret, void *zone)
{
	uint64_t now = clock_realtime_ns();

	(void)zone;
	ret->tv_sec = (time_t)(now / 1000000000u);
	ret->tv_usec = (suseconds_t)(now / 1000u % 1000000u);
	return 0;
}

/* libc's takes the lock of the time zone.  Civil date from days, by eras of 400 years. */
static struct tm *tls_gmtime_r(const time_t *at, struct tm *ret)
{
	int64_t days = *at / DAY_S - (*at % DAY_S < 0);
	int64_t second = *at - days * DAY_S;
	int64_t since = days + 719468; /* 0000-03-01 */
	int64_t era = (since >= 0 ? since : since - 146096) / 146097;
	int64_t day = since - era * 146097;
	int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	int64_t of_year = day - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * of_year + 2) / 153; /* of a year that begins in March */

	*ret = (struct tm){ .tm_sec = (int)(second % 60),
			    .tm_min = (int)(second / 60 % 60),
			    .tm_hour = (int)(second / 3600),
			    .tm_wday = (int)(((days + 4) % 7 + 7) % 7),
			    .tm_mday = (int)(of_year - (153 * month + 2) / 5 + 1),
			    .tm_mon = (int)(month < 10 ? month + 2 : month - 10) };
	ret->tm_year = (int)(year + era * 400 + (ret->tm_mon < 2) - 1900);
	return ret;
}

void tls_say(struct bytes message)
{
	if (exporter_log)
		exporter_log(message);
}

/* --- threads: there is one --- */

static void *key_value[KEYS];
static unsigned int keys;

static int tls_once(int *control, void (*init)(void))
{
	if (*control == 0) {
		*control = 1;
		init();
	}
	return 0;
}

static int tls_key_create(unsigned int *ret, void (*end)(void *))
{
	(void)end; /* what is kept for the thread is kept for good */
	if (keys == KEYS)
		return EAGAIN;
	*ret = keys++;
	return 0;
}

static void *tls_key_get(unsigned int key)
{
	return key < KEYS ? key_value[key] : NULL;
}

static int tls_key_set(unsigned int key, const void *value)
{
	if (key >= KEYS)
		return EINVAL;
	key_value[key] = (void *)(uintptr_t)value;
	return 0;
}

/* --- by name --- */

static void *of_libc(const char *name)
{
	const struct link_map *m = resolve_first_object();

	for (; m; m = m->l_next) {
		const char *soname = resolve_soname(m);

		if (soname && strcmp(soname, "libc.so.6") == 0)
			return resolve_in(m, name);
	}
	return NULL;
}

enum {
#define OURS(name, what) IMPORT_##name,
#define LIBC(name) IMPORT_##name,
#define FAIL(name) IMPORT_##name,
#define NONE(name) IMPORT_##name,
#include "tls_import.def"
#undef OURS
#undef LIBC
#undef FAIL
#undef NONE
};

/* A switch, not a table: its addresses would be relocated in every process. */
static void *import_at(int index, const char *name)
{
	switch (index) {
#define OURS(name, what)    \
	case IMPORT_##name: \
		return (void *)(uintptr_t)(what);
#define LIBC(name) case IMPORT_##name:
#define FAIL(name)
#define NONE(name)
#include "tls_import.def"
#undef OURS
#undef FAIL
#undef LIBC
		return of_libc(name);
#define OURS(name, what)
#define LIBC(name)
#define FAIL(name) case IMPORT_##name:
#include "tls_import.def"
#undef FAIL
#undef NONE
		return (void *)(uintptr_t)fail;
#define FAIL(name)
#define NONE(name) case IMPORT_##name:
#include "tls_import.def"
#undef OURS
#undef LIBC
#undef FAIL
#undef NONE
		return (void *)(uintptr_t)none;
	default:
		return NULL;
	}
}

void *tls_import(const char *name)
{
	static const char names[] =
#define OURS(name, what) #name "\0"
#define LIBC(name) #name "\0"
#define FAIL(name) #name "\0"
#define NONE(name) #name "\0"
#include "tls_import.def"
		;
	int index = 0;

	for (const char *at = names; *at; at += strlen(at) + 1, index++)
		if (strcmp(at, name) == 0)
			return import_at(index, name);
	return NULL;
}
