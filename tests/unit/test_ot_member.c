/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "decimal.h"
#include "ot_member.h"

static void assert_written(const char *list, uint64_t threshold, const char *want)
{
	char to[OT_MEMBER_BYTES];
	struct ot_member m;
	size_t len;

	ot_member_find(bytes_from_str(list), &m);
	len = ot_member_write(&m, threshold, to);
	if (len != strlen(want) || memcmp(to, want, len) != 0)
		fail_msg("%s: %.*s", list, (int)len, to);
}

static void test_threshold_is_what_the_specification_says(void **state) /* E53, E62, E63 */
{
	static const struct {
		const char *share, *want;
	} rows[] = {
		{ "1", "ot=th:0" },
		{ "0.5", "ot=th:8" },
		{ "0.333333333333333333", "ot=th:aaab" },
		{ "0.25", "ot=th:c" },
		{ "0.2", "ot=th:cccd" },
		{ "0.125", "ot=th:e" },
		{ "0.1", "ot=th:e666" },
		{ "0.01", "ot=th:fd70a" },
		{ "0.001", "ot=th:ffbe77" },
		{ "0.0001", "ot=th:fff9724" },
		{ "0.000001", "ot=th:ffffef39" },
		{ "0.95", "ot=th:0ccd" },
		{ "0", "" },
	};
	uint64_t keep;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(decimal_parse(bytes_from_str(rows[i].share), OT_ALL, &keep));
		assert_written("", ot_threshold(keep), rows[i].want);
	}
	assert_int_equal(ot_threshold(1), OT_ALL - 256); /* twelve digits at most */
}

static void test_other_sub_keys_stay(void **state) /* E52, E54 */
{
	(void)state;
	assert_written("ot=rv:0123456789abcd", OT_ALL / 2, "ot=th:8;rv:0123456789abcd");
	assert_written("ot=th:c;rv:0123456789abcd", OT_ALL, "ot=rv:0123456789abcd");
	assert_written("ot=th:c", OT_ALL, "");
	assert_written("a=b,ot=x:1;th:c;y:2,c=d", 0, "ot=th:0;x:1;y:2");
	assert_written("not=th:c", OT_ALL, "");
}

static void test_member_stays_below_256_characters(void **state) /* E51, E52 */
{
	char list[300] = "ot=th:8;x:";
	size_t len = strlen(list);
	char to[OT_MEMBER_BYTES];
	struct ot_member m;

	(void)state;
	memset(list + len, 'a', 259 - len); /* 256 behind "ot=" */
	ot_member_find((struct bytes){ list, 259 }, &m);
	assert_int_equal(ot_member_write(&m, OT_ALL / 2, to), 259);
	assert_int_equal(ot_member_write(&m, OT_ALL / 16 * 10 + OT_ALL / 256, to), 0);
}

static void test_random_value_is_found(void **state) /* E54, E55 */
{
	static const struct {
		const char *list;
		bool has;
		uint64_t want;
		size_t others;
	} rows[] = {
		{ "ot=rv:0123456789abcd", true, 0x0123456789abcd, 0 },
		{ "a=1,ot=th:8;rv:ffffffffffffff,b=2", true, 0xffffffffffffff, 2 },
		{ "ot=rv:0123456789abc", false, 0, 0 },
		{ "ot=rv:0123456789ABCD", false, 0, 0 },
		{ "ot=rv:0123456789abcde", false, 0, 0 },
		{ "xot=rv:0123456789abcd", false, 0, 1 },
		{ "", false, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ot_member m;

		ot_member_find(bytes_from_str(rows[i].list), &m);
		if (m.has_random != rows[i].has || m.others != rows[i].others ||
		    (m.has_random && m.random != rows[i].want))
			fail_msg("%s", rows[i].list);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threshold_is_what_the_specification_says),
		cmocka_unit_test(test_other_sub_keys_stay),
		cmocka_unit_test(test_member_stays_below_256_characters),
		cmocka_unit_test(test_random_value_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
