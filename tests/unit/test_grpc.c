/* SPDX-License-Identifier: Apache-2.0 */
/* Frames, trailers and what they mean (O31-O36), and what the object that speaks them may call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tls/grpc.h"
#include "tls_object.h"

static struct grpc_answer a;

static void trailer(const char *name, const char *value)
{
	grpc_take_header(&a, bytes_from_str(name), bytes_from_str(value));
}

static void test_grpc_frames(void **state)
{
	char room[TRANSPORT_PREFIX + 300];
	struct bytes framed;

	(void)state;
	memset(room, 'x', sizeof(room));
	framed = grpc_frame((struct bytes){ room + TRANSPORT_PREFIX, 300 }, true);
	assert_ptr_equal(framed.ptr, room);
	assert_int_equal(framed.len, 305);
	assert_memory_equal(room, "\x01\x00\x00\x01\x2cx", 6); /* 300 = 0x12c */
	framed = grpc_frame((struct bytes){ room + TRANSPORT_PREFIX, 3 }, false);
	assert_memory_equal(room, "\x00\x00\x00\x00\x03x", 6);
	assert_int_equal(grpc_unframe(framed).len, 3);
	assert_int_equal(grpc_unframe((struct bytes){ "\x00\x00\x00\x00\x09hm", 7 }).len, 2);
	assert_int_equal(grpc_unframe((struct bytes){ "\x01\x00\x00\x00\x02hm", 7 }).len, 0);
	assert_int_equal(grpc_unframe((struct bytes){ "\x00\x00", 2 }).len, 0);
}

/* O33-O35 */
static void test_grpc_status_decides(void **state)
{
	static const bool again[17] = {
		[1] = true, [4] = true, [10] = true, [11] = true, [14] = true, [15] = true
	};
	char text[4];

	(void)state;
	for (int status = 0; status <= 16; status++) {
		grpc_answer_reset(&a);
		text[0] = (char)('0' + status / 10);
		text[1] = (char)('0' + status % 10);
		text[2] = '\0';
		trailer("Grpc-Status", text);
		assert_int_equal(a.status, status);
		assert_int_equal(grpc_outcome(&a, 200), status == 0   ? OUTCOME_ACCEPTED :
							again[status] ? OUTCOME_BUSY :
									OUTCOME_REJECTED);
	}
	grpc_answer_reset(&a);
	assert_int_equal(grpc_outcome(&a, 200), OUTCOME_REJECTED); /* none at all */
	assert_int_equal(grpc_outcome(&a, 503), OUTCOME_BUSY);     /* a proxy's word */
	assert_int_equal(grpc_outcome(&a, 404), OUTCOME_REJECTED);
	trailer("grpc-status", "0x");
	assert_int_equal(grpc_outcome(&a, 200), OUTCOME_REJECTED);
}

/*
 * O36: Status{code 8, details Any{type_url, RetryInfo{Duration{2 s, 500000000 ns}}}}:
 *   08 08  1a 36  0a 28 "type.googleapis.com/google.rpc.RetryInfo"
 *                 12 0a  0a 08  08 02  10 80 ca b5 ee 01
 */
static void test_grpc_retry_info(void **state)
{
	(void)state;
	grpc_answer_reset(&a);
	trailer("grpc-status", "8");
	assert_int_equal(grpc_outcome(&a, 200), OUTCOME_REJECTED);
	trailer("grpc-status-details-bin",
		"CAgaNgoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIKCggIAhCAyrXuAQ");
	assert_true(a.has_retry_info);
	assert_int_equal(a.retry_after_ms, 2500);
	assert_int_equal(grpc_outcome(&a, 200), OUTCOME_BUSY);
	trailer("grpc-message", " full ");
	assert_string_equal(a.message, "full");
}

static void test_grpc_details_may_be_anything(void **state)
{
	static const char *const rows[] = { "",      "=",        "CAg",
					    "Gv8",   "GgUKA2Zv", "////////////////",
					    "GgISAA" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		grpc_answer_reset(&a);
		trailer("grpc-status-details-bin", rows[i]);
		assert_false(a.has_retry_info);
	}
}

/* The civil dates that certificates are compared with: libc's own answers, day by day. */
static void test_tls_import_dates(void **state)
{
	struct tm *(*ours)(const time_t *, struct tm *);
	struct tm got, want;

	(void)state;
	ours = (struct tm * (*)(const time_t *, struct tm *))(uintptr_t)tls_import("gmtime_r");
	for (time_t t = -4000000000; t < 8000000000; t += 86400 * 11 + 3601) {
		assert_ptr_equal(ours(&t, &got), &got);
		gmtime_r(&t, &want);
		if (got.tm_sec != want.tm_sec || got.tm_min != want.tm_min ||
		    got.tm_hour != want.tm_hour || got.tm_mday != want.tm_mday ||
		    got.tm_mon != want.tm_mon || got.tm_year != want.tm_year ||
		    got.tm_wday != want.tm_wday)
			fail_msg("%ld", (long)t);
	}
}

static void test_tls_import_gives_what_it_may(void **state)
{
	(void)state;
	assert_non_null(tls_import("memcpy"));
	assert_ptr_equal(tls_import("open"), tls_import("write")); /* which fail */
	assert_null(tls_import("system"));
	assert_null(tls_import(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grpc_frames),
		cmocka_unit_test(test_grpc_status_decides),
		cmocka_unit_test(test_grpc_retry_info),
		cmocka_unit_test(test_grpc_details_may_be_anything),
		cmocka_unit_test(test_tls_import_dates),
		cmocka_unit_test(test_tls_import_gives_what_it_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
