/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resolver against the dynamic linker's own answers, and against tables made by hand for what
 * the objects of this system do not show.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <stdlib.h>

#include "../../preload/resolve.c"

#if defined(__x86_64__)
#define OLD_QUICK_EXIT "GLIBC_2.10"
/* This program imports the old one of the two. */
void old_quick_exit(int status);
__asm__(".symver old_quick_exit, quick_exit@" OLD_QUICK_EXIT);
void (*volatile keeps_the_import)(int) = old_quick_exit;
#endif

/* A function of this program, as a caller. */
static int here(void)
{
	return 0;
}

/* --- against the dynamic linker --- */

static void test_resolve_finds_what_dlsym_finds(void **state)
{
	static const char *const names[] = {
#define HOOK(name) #name,
#include "../../hooks/hooks.def"
#undef HOOK
		/* Indirect functions: their resolvers are run. */
		"memcpy",
		"strlen",
		"memchr",
		/* Of several versions the default one. */
		"quick_exit",
		"posix_spawn",
		"pthread_cond_wait",
		"pthread_create",
		"memcpy",
		"pthread_attr_setstacksize",
		"environ",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		void *want = dlsym(RTLD_NEXT, names[i]); /* of a sanitizer, where there is one */

		if (resolve(names[i]) != want)
			fail_msg("%s: got %p, dlsym %p", names[i], resolve(names[i]), want);
	}
}

static void test_resolve_says_null_for_unknown_names(void **state)
{
	(void)state;
	assert_null(resolve("no_library_has_such_a_name"));
	assert_null(resolve(""));
}

static void test_resolve_both_ways_lead_to_the_same_list(void **state)
{
	(void)state;
	assert_non_null(debug_of_linker());
	assert_ptr_equal(debug_of_program(), debug_of_linker());
	assert_ptr_equal(debug_of_linker(), dlsym(RTLD_DEFAULT, "_r_debug"));
	assert_int_equal(debug_of_linker()->r_state, RT_CONSISTENT);
}

static void test_resolve_looks_behind_its_own_object_only(void **state)
{
	const struct link_map *own = resolve_own_object();

	(void)state;
	assert_non_null(own);
	assert_ptr_equal(own->l_ld, _DYNAMIC);
	assert_ptr_equal(own, resolve_first_object()); /* a program, in this test */
	assert_ptr_equal(object_behind_us(), own->l_next);
}

static void test_resolve_soname_is_read(void **state)
{
	const struct link_map *m = resolve_first_object();
	bool found = false;

	(void)state;
	assert_null(resolve_soname(m)); /* a program has none */
	for (; m; m = m->l_next)
		found |= resolve_soname(m) && same(resolve_soname(m), "libc.so.6");
	assert_true(found);
}

static void test_resolve_defined_asks_one_object(void **state)
{
	const struct link_map *m = resolve_first_object();

	(void)state;
	while (m && !(resolve_soname(m) && same(resolve_soname(m), "libc.so.6")))
		m = m->l_next;
	assert_non_null(m);
	/* The third is imported by us, not libc's. */
	assert_int_equal(resolve_defined(m, "read\0write\0cmocka_run_group_tests\0_exit\0"), 0xb);
	assert_int_equal(resolve_defined(m, ""), 0);
}

static void test_resolve_as_bound_takes_the_callers_version(void **state)
{
	void *current = dlsym(RTLD_NEXT, "quick_exit");

	(void)state;
	/* A caller that does not import the name, and one that is in no object. */
	assert_ptr_equal(resolve_as_bound("quick_exit", current), current);
	assert_ptr_equal(resolve_as_bound("quick_exit", (void *)UINTPTR_MAX), current);
	/* Imported in its default version. */
	assert_ptr_equal(resolve_as_bound("dlopen", (void *)here), dlsym(RTLD_NEXT, "dlopen"));
#ifdef OLD_QUICK_EXIT
	void *old = dlvsym(RTLD_NEXT, "quick_exit", OLD_QUICK_EXIT);

	assert_non_null(old);
	assert_ptr_not_equal(old, current);
	assert_ptr_equal(resolve_as_bound("quick_exit", (void *)here), old);
#endif
}

/* --- tables made by hand --- */

/* Strings: 1 "one", 5 "two", 9 "three", 15 "V_OLD", 21 "V_NEW". */
static const char strings[] = "\0one\0two\0three\0V_OLD\0V_NEW";

enum { ONE = 1, TWO_OLD, TWO_NEW, THREE, SYMBOLS };

static const ElfW(Sym) symbols[SYMBOLS] = {
	[ONE] = { .st_name = 1, .st_info = STT_FUNC, .st_shndx = 7, .st_value = 0x10 },
	[TWO_OLD] = { .st_name = 5, .st_info = STT_FUNC, .st_shndx = 7, .st_value = 0x20 },
	[TWO_NEW] = { .st_name = 5, .st_info = STT_FUNC, .st_shndx = 7, .st_value = 0x30 },
	[THREE] = { .st_name = 9, .st_info = STT_FUNC, .st_shndx = SHN_UNDEF, .st_value = 0x40 },
};

/* One bucket: 3 -> 2 -> 1 -> 4.  (nbucket, nchain, bucket[1], chain[5]) */
static const uint32_t sysv_table[] = { 1, SYMBOLS, 3, 0, 4, 1, 2, 0 };

static const ElfW(Half) versions[SYMBOLS] = { 0, 1, 2 | VERSION_HIDDEN, 3, 1 };

static struct {
	ElfW(Verdef) old;
	ElfW(Verdaux) old_name;
	ElfW(Verdef) new;
	ElfW(Verdaux) new_name;
} definitions = {
	.old = { .vd_ndx = 2,
		 .vd_aux = sizeof(ElfW(Verdef)),
		 .vd_next = sizeof(ElfW(Verdef)) + sizeof(ElfW(Verdaux)) },
	.old_name = { .vda_name = 15 },
	.new = { .vd_ndx = 3, .vd_aux = sizeof(ElfW(Verdef)) },
	.new_name = { .vda_name = 21 },
};

static struct object by_hand(void)
{
	return (struct object){
		.base = 0x1000, .sym = symbols, .str = strings, .hash = sysv_table
	};
}

static void test_resolve_reads_sysv_tables_where_there_is_no_other(void **state)
{
	struct object o = by_hand();
	struct wanted one = wanted_name("one");
	struct wanted none = wanted_name("four");
	struct wanted imported = wanted_name("three");

	(void)state;
	assert_ptr_equal(find_in(&o, &one), (void *)0x1010);
	assert_null(find_in(&o, &none));
	assert_null(find_in(&o, &imported)); /* undefined here */
	o.hash = NULL;
	assert_null(find_in(&o, &one)); /* no table at all */
}

static void test_resolve_takes_default_version_or_the_one_asked_for(void **state)
{
	struct object o = by_hand();
	struct wanted two = wanted_name("two");

	(void)state;
	o.versym = versions;
	o.verdef = &definitions.old;
	assert_ptr_equal(find_in(&o, &two), (void *)0x1030);
	two.version = "V_OLD";
	assert_ptr_equal(find_in(&o, &two), (void *)0x1020);
	two.version = "V_NEW";
	assert_ptr_equal(find_in(&o, &two), (void *)0x1030);
	two.version = "V_OTHER";
	assert_null(find_in(&o, &two));
	/* An object without versions is good for any: 3 is the first in its bucket. */
	o.versym = NULL;
	assert_ptr_equal(find_in(&o, &two), (void *)0x1030);
}

static void test_resolve_survives_an_empty_gnu_table(void **state)
{
	/* nbuckets 0 is what some linkers write; nbuckets 1, bloom 0, bucket 0 what GNU ld does. */
	static const uint32_t no_buckets[] = { 0, 1, 1, 0, UINT32_MAX, UINT32_MAX };
	static const uint32_t nothing[] = { 1, 1, 1, 0, 0, 0, 0 };
	struct object o = by_hand();
	struct wanted one = wanted_name("one");

	(void)state;
	o.gnu_hash = no_buckets;
	assert_null(find_in(&o, &one));
	o.gnu_hash = nothing;
	assert_null(find_in(&o, &one));
}

static void test_resolve_hashes_are_those_of_the_abi(void **state)
{
	(void)state;
	/* System V gABI, chapter 5; values of the GNU function from its definition h * 33 + c. */
	assert_int_equal(hash_sysv(""), 0);
	assert_int_equal(hash_sysv("printf"), 0x077905a6);
	assert_int_equal(hash_sysv("flapenguin.me"), 0x03987915);
	assert_int_equal(hash_gnu(""), 0x00001505);
	assert_int_equal(hash_gnu("printf"), 0x156b2bb8);
	assert_int_equal(hash_gnu("flapenguin.me"), 0x8ae9f18e);
}

static void test_resolve_addresses_below_the_base_are_offsets(void **state)
{
	(void)state;
	assert_ptr_equal(table_at(0x7000, 0x20), (void *)0x7020);   /* vDSO, musl */
	assert_ptr_equal(table_at(0x7000, 0x7020), (void *)0x7020); /* glibc */
	assert_ptr_equal(table_at(0, 0x400020), (void *)0x400020);  /* not position-independent */
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resolve_finds_what_dlsym_finds),
		cmocka_unit_test(test_resolve_says_null_for_unknown_names),
		cmocka_unit_test(test_resolve_both_ways_lead_to_the_same_list),
		cmocka_unit_test(test_resolve_looks_behind_its_own_object_only),
		cmocka_unit_test(test_resolve_soname_is_read),
		cmocka_unit_test(test_resolve_defined_asks_one_object),
		cmocka_unit_test(test_resolve_as_bound_takes_the_callers_version),
		cmocka_unit_test(test_resolve_reads_sysv_tables_where_there_is_no_other),
		cmocka_unit_test(test_resolve_takes_default_version_or_the_one_asked_for),
		cmocka_unit_test(test_resolve_survives_an_empty_gnu_table),
		cmocka_unit_test(test_resolve_hashes_are_those_of_the_abi),
		cmocka_unit_test(test_resolve_addresses_below_the_base_are_offsets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
