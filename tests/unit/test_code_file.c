/* SPDX-License-Identifier: Apache-2.0 */
/* Which function and line an address is in: of this very program, which is built with -gdwarf-4. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "code_file.h"
#include "compiler.h"
#include "dwarf_line.h"
#include "stack_files.h"

/* Where the linker has put address 0 of the file. */
extern const char __executable_start[];

static struct code_place place;

int somewhere(int n);
enum { FIRST_LINE = __LINE__ + 1 };
NO_INLINE int somewhere(int n)
{
	return n * 7 + 1;
}
enum { LAST_LINE = __LINE__ - 1 };

static uint64_t here(void)
{
	return (uint64_t)((uintptr_t)somewhere - (uintptr_t)__executable_start);
}

static struct code_source self(void)
{
	struct code_source from = { .fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC) };
	struct stat st;

	assert_true(from.fd >= 0);
	assert_int_equal(fstat(from.fd, &st), 0);
	from.size = (uint64_t)st.st_size;
	return from;
}

static void test_code_of_this_program(void **state)
{
	struct code_source from = self();
	struct code_file f;

	(void)state;
	assert_true(code_open(&f, from));
	place = (struct code_place){ .at = here() + 1 };
	code_name_places(&f, &place, 1);
	assert_int_equal(place.name_len, strlen("somewhere"));
	assert_memory_equal(place.name, "somewhere", place.name_len);
	assert_int_equal(place.start, here());
	dwarf_line_places(&f, &place, 1);
	assert_in_range(place.line, FIRST_LINE, LAST_LINE);
	assert_true(place.path_len >= strlen("test_code_file.c"));
	assert_memory_equal(place.path + place.path_len - strlen("test_code_file.c"),
			    "test_code_file.c", strlen("test_code_file.c"));
	close(from.fd);
}

static void test_code_between_functions_has_no_name(void **state)
{
	struct code_source from = self();
	struct code_file f;

	(void)state;
	assert_true(code_open(&f, from));
	place = (struct code_place){ .at = 0x20 };
	code_name_places(&f, &place, 1);
	dwarf_line_places(&f, &place, 1);
	assert_int_equal(place.name_len, 0);
	assert_int_equal(place.line, 0);
	close(from.fd);
}

/* Nothing is told of a file that is not the one that was loaded. */
static void test_code_of_another_build_is_not_told(void **state)
{
	(void)state;
	place = (struct code_place){ .at = here() + 1 };
	stack_files_look("/proc/self/exe", BYTES("another"), &place, 1);
	assert_int_equal(place.name_len, 0);
	/* No files: they are not opened. */
	stack_files_look("/dev/zero", (struct bytes){ NULL, 0 }, &place, 1);
	stack_files_look("/", (struct bytes){ NULL, 0 }, &place, 1);
	stack_files_look("/nowhere", (struct bytes){ NULL, 0 }, &place, 1);
	assert_int_equal(place.name_len, 0);
}

/* Cut anywhere, and with any byte changed: that it ends is all that is asked for. */
static void test_code_of_a_broken_file(void **state)
{
	struct code_source from = self(), broken;
	unsigned char *all = malloc(from.size);
	struct code_file f;
	uint64_t seed = 1;

	(void)state;
	assert_non_null(all);
	assert_int_equal(pread(from.fd, all, from.size, 0), from.size);
	broken = (struct code_source){ .bytes = all };
	for (size_t i = 0; i < 64; i++) {
		broken.size = i < 32 ? i * 3 : from.size / 64 * i;
		if (!code_open(&f, broken))
			continue;
		place = (struct code_place){ .at = here() + 1 };
		code_name_places(&f, &place, 1);
	}
	broken.size = from.size;
	for (size_t i = 0; i < 200; i++) {
		size_t at = i < 64 ? i : from.size - 1 - (seed >> 33) % 4096;
		unsigned char was = all[at];

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		all[at] = (unsigned char)(seed >> 40);
		if (code_open(&f, broken)) {
			place = (struct code_place){ .at = 0x1000 };
			f.symtab.len = f.symtab.len < 4096 ? f.symtab.len : 4096;
			code_name_places(&f, &place, 1);
		}
		all[at] = was;
	}
	free(all);
	close(from.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_code_of_this_program),
		cmocka_unit_test(test_code_between_functions_has_no_name),
		cmocka_unit_test(test_code_of_another_build_is_not_told),
		cmocka_unit_test(test_code_of_a_broken_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
