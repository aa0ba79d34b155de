/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "rawsys.h"
#include "region.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define PAGE 4096u

/* Where the mapping begins in which this byte lies, and its rights ("rw-p"). */
static uintptr_t mapping_of(const void *byte, char rights[static 5])
{
	FILE *maps = fopen("/proc/self/maps", "re");
	uintptr_t from, end, at = (uintptr_t)byte;
	char line[512];

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		assert_int_equal(sscanf(line, "%lx-%lx %4s", &from, &end, rights), 3);
		if (from <= at && at < end) {
			fclose(maps);
			return from;
		}
	}
	fail_msg("%p is not mapped", byte);
	return 0;
}

/* A child has one mapping of all that: half a microsecond of fork() each. */
static void test_region_is_one_mapping(void **state)
{
	char *stack = region_stack(), *a = region_map(3), *b = region_map(200u << 10);
	char rights[5];
	uintptr_t at = mapping_of(a, rights);

	(void)state;
	assert_string_equal(rights, "rw-p");
	memset(a, 1, PAGE);
	memset(b, 2, 200u << 10);
	stack[REGION_STACK_BYTES - 1] = 3;
	assert_true(at == mapping_of(b, rights));
	assert_true(at == mapping_of(stack + REGION_STACK_BYTES - 1, rights));
	assert_int_equal(a[0] + a[PAGE - 1], 2);
}

static void test_region_stack_has_a_page_below_it(void **state)
{
	char *stack = region_stack();
	char rights[5];

	(void)state;
	assert_ptr_equal(region_stack(), stack);
	assert_int_equal((uintptr_t)stack % PAGE, 0);
	(void)mapping_of(stack - 1, rights);
	assert_string_equal(rights, "---p");
}

/* A child has none, which is a mapping less; it makes one of its own when it needs a stack. */
static void test_region_guard_is_made_anew_in_a_child(void **state)
{
	char *stack = region_stack();
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0) {
		char rights[5];
		bool is_free = !raw_is_error(
			raw_mmap(stack - PAGE, PAGE, PROT_READ,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));

		if (region_stack() != NULL) /* what is there is the program's */
			_exit(2);
#ifdef __SANITIZE_THREAD__
		if (!is_free) /* the sanitizer's own, more often than not */
			_exit(0);
#endif
		if (!is_free)
			_exit(1);
		raw_munmap(stack - PAGE, PAGE);
		if (region_stack() != stack)
			_exit(3);
		(void)mapping_of(stack - 1, rights);
		_exit(strcmp(rights, "---p") ? 4 : 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* What is too large for its room is mapped all the same. */
static void test_region_has_no_bound(void **state)
{
	char *last = NULL;

	(void)state;
	for (int i = 0; i < 40; i++) {
		char *at = region_map(100u << 10);

		assert_non_null(at);
		assert_ptr_not_equal(at, last);
		assert_int_equal(at[0] + at[(100u << 10) - 1], 0);
		memset(at, 1, 100u << 10);
		last = at;
	}
	last = region_map(8u << 20);
	assert_non_null(last);
	last[(8u << 20) - 1] = 1;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_region_is_one_mapping),
		cmocka_unit_test(test_region_stack_has_a_page_below_it),
		cmocka_unit_test(test_region_guard_is_made_anew_in_a_child),
		cmocka_unit_test(test_region_has_no_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
