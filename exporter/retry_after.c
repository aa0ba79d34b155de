/* SPDX-License-Identifier: Apache-2.0 */
#include "retry_after.h"

#include <stdbool.h>

#include "compiler.h"

#define DAY_S 86400
#define YEAR_NONE (-1)

struct date {
	int year; /* YEAR_NONE: not seen yet */
	int month;
	int day;
	int second; /* of the day */
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Exactly n digits. */
static bool number(struct bytes s, size_t n, int *ret)
{
	int value = 0;

	if (s.len != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!is_digit(s.ptr[i]))
			return false;
		value = value * 10 + (s.ptr[i] - '0');
	}
	*ret = value;
	return true;
}

static bool month(struct bytes s, int *ret)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int i = 0; i < 12; i++)
		if (bytes_equal(s, (struct bytes){ names + i * 3, 3 })) {
			*ret = i + 1;
			return true;
		}
	return false;
}

/* 08:49:37 */
static bool time_of_day(struct bytes s, int *ret)
{
	int h, m, sec;

	if (s.len != 8 || s.ptr[2] != ':' || s.ptr[5] != ':' ||
	    !number((struct bytes){ s.ptr, 2 }, 2, &h) ||
	    !number((struct bytes){ s.ptr + 3, 2 }, 2, &m) ||
	    !number((struct bytes){ s.ptr + 6, 2 }, 2, &sec) || h > 23 || m > 59 || sec > 60)
		return false;
	*ret = (h * 60 + m) * 60 + sec;
	return true;
}

/* Days since 1970 of a day in the calendar that is in use, by counting years from March on. */
static int64_t days_of(const struct date *d)
{
	int64_t y = d->month <= 2 ? d->year - 1 : d->year;
	int64_t m = d->month <= 2 ? d->month + 9 : d->month - 3;

	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + d->day - 1 - 719468;
}

/* 94 is 1994, unless that is more than fifty years ago (RFC 9110 5.6.7). */
static int century(int year, int64_t now_s)
{
	int now = 1970 + (int)(now_s / (365 * DAY_S + DAY_S / 4));
	int full = now - now % 100 + year;

	return full > now + 50 ? full - 100 : full;
}

/*
 *   Sun, 06 Nov 1994 08:49:37 GMT
 *   Sunday, 06-Nov-94 08:49:37 GMT
 *   Sun Nov  6 08:49:37 1994
 *
 * The name of the day says nothing that the rest does not.
 */
static bool date_parse(struct bytes s, int64_t now_s, struct date *ret)
{
	struct date d = { .year = YEAR_NONE };
	bool has_time = false;
	struct bytes rest = s;

	bytes_split(&rest, ' ');
	while (rest.ptr) {
		struct bytes word = bytes_split(&rest, ' ');
		struct bytes part = word;

		if (!word.len || bytes_equal(word, BYTES("GMT")))
			continue;
		if (time_of_day(word, &d.second)) {
			has_time = true;
		} else if (word.len == 9 && word.ptr[2] == '-') {
			if (!number(bytes_split(&part, '-'), 2, &d.day) ||
			    !month(bytes_split(&part, '-'), &d.month) || !number(part, 2, &d.year))
				return false;
			d.year = century(d.year, now_s);
		} else if (!month(word, &d.month) && !number(word, 2, &d.day) &&
			   !number(word, 1, &d.day) && !number(word, 4, &d.year)) {
			return false;
		}
	}
	*ret = d;
	return has_time && d.year != YEAR_NONE && d.month && d.day >= 1 && d.day <= 31;
}

static bool is_seconds(struct bytes value, uint64_t *ret)
{
	*ret = 0;
	for (size_t i = 0; i < value.len; i++) {
		if (!is_digit(value.ptr[i]))
			return false;
		if (*ret <= RETRY_AFTER_MAX_MS)
			*ret = *ret * 10 + (uint64_t)(value.ptr[i] - '0');
	}
	return value.len > 0;
}

uint64_t retry_after_ms(struct bytes value, uint64_t now_ns)
{
	int64_t now_ms = (int64_t)(now_ns / 1000000u);
	struct date d;
	uint64_t seconds;
	int64_t wait;

	value = bytes_trim(value);
	if (is_seconds(value, &seconds))
		return seconds < RETRY_AFTER_MAX_MS / 1000u ? seconds * 1000u : RETRY_AFTER_MAX_MS;
	if (!date_parse(value, now_ms / 1000, &d))
		return 0;
	wait = (days_of(&d) * DAY_S + d.second) * 1000 - now_ms;
	if (wait <= 0)
		return 0;
	return wait < RETRY_AFTER_MAX_MS ? (uint64_t)wait : RETRY_AFTER_MAX_MS;
}
