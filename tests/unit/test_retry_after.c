/* SPDX-License-Identifier: Apache-2.0 */
/* Retry-After (O25); the seconds of the dates are `date -ud ... +%s`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compiler.h"
#include "retry_after.h"

#define SECOND 1000000000u
#define NOW_S 784111770u /* 7 s before the date of RFC 9110's examples */

struct row {
	const char *value;
	uint64_t now_s;
	uint64_t ms;
};

static const struct row rows[] = {
	{ "0", NOW_S, 0 },
	{ "1", NOW_S, 1000 },
	{ "120", NOW_S, 120000 },
	{ " 7 ", NOW_S, 7000 },
	{ "86399", NOW_S, 86399000 },
	{ "86400", NOW_S, 86400000 },
	{ "86401", NOW_S, 86400000 },
	{ "99999999999999999999999999", NOW_S, 86400000 },
	{ "", NOW_S, 0 },
	{ "-1", NOW_S, 0 },
	{ "+1", NOW_S, 0 },
	{ "1.5", NOW_S, 0 },
	{ "1 2", NOW_S, 0 },
	{ "soon", NOW_S, 0 },
	{ "Sun, 06 Nov 1994 08:49:37 GMT", NOW_S, 7000 },
	{ "Sunday, 06-Nov-94 08:49:37 GMT", NOW_S, 7000 },
	{ "Sun Nov  6 08:49:37 1994", NOW_S, 7000 },
	{ "Sun, 06 Nov 1994 08:49:30 GMT", NOW_S, 0 },
	{ "Sun, 06 Nov 1994 08:49:29 GMT", NOW_S, 0 },
	{ "Mon, 07 Nov 1994 08:49:29 GMT", NOW_S, 86399000 },
	{ "Sun, 06 Nov 2094 08:49:37 GMT", NOW_S, 86400000 },
	/* Leap days, ends of years and of a century. */
	{ "Thu, 29 Feb 2024 23:59:59 GMT", 1709251190, 9000 },
	{ "Fri, 01 Mar 2024 00:00:01 GMT", 1709251190, 11000 },
	{ "Sun, 01 Mar 2026 00:00:05 GMT", 1772323200, 5000 },
	{ "Thu, 01 Jan 2026 00:00:02 GMT", 1767225599, 3000 },
	{ "Sat, 01 Jan 2000 00:00:10 GMT", 946684799, 11000 },
	{ "Tue, 29 Feb 2000 00:00:00 GMT", 951782399, 1000 },
	{ "Mon, 01 Mar 2100 00:00:00 GMT", 4107542399, 1000 },
	/* Two digits mean the nearest such year that is not far in the future. */
	{ "Thursday, 01-Jan-26 00:00:02 GMT", 1767225599, 3000 },
	{ "Friday, 01-Jan-99 00:00:02 GMT", 1767225599, 0 },
	/* No dates. */
	{ "Sun, 06 Nov 1994", NOW_S, 0 },
	{ "Sun, 06 Nov 08:49:37 GMT", NOW_S, 0 },
	{ "Sun, Nov 1994 08:49:37 GMT", NOW_S, 0 },
	{ "Sun, 06 1994 08:49:37 GMT", NOW_S, 0 },
	{ "Sun, 00 Nov 1994 08:49:37 GMT", NOW_S, 0 },
	{ "Sun, 32 Nov 1994 08:49:37 GMT", NOW_S, 0 },
	{ "Sun, 06 Nov 1994 24:49:37 GMT", NOW_S, 0 },
	{ "Sun, 06 Nov 1994 08:49:37 CET", NOW_S, 0 },
	{ "Sunday, 06-Nov-1994 08:49:37 GMT", NOW_S, 0 },
	{ "Sunday, 0x-Nov-94 08:49:37 GMT", NOW_S, 0 },
};

static void test_retry_after_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t ms = retry_after_ms(bytes_from_str(rows[i].value), rows[i].now_s * SECOND);

		if (ms != rows[i].ms)
			fail_msg("\"%s\" at %lu: %lu ms", rows[i].value, rows[i].now_s, ms);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_retry_after_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
