/* SPDX-License-Identifier: Apache-2.0 */
/* Names as the Itanium C++ ABI mangles them, worked out by its grammar. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "compiler.h"
#include "demangle.h"

static const struct row {
	const char *name;
	const char *want; /* NULL: none of ours */
} rows[] = {
	{ "_Z3foov", "foo()" },
	{ "_Z3fooi", "foo(int)" },
	{ "_ZN4shop5fetchEi", "shop::fetch(int)" },
	{ "_ZNK4shop6Client5fetchERKSs", "shop::Client::fetch(std::string const&) const" },
	{ "_ZN4shop6ClientC1Ev", "shop::Client::Client()" },
	{ "_ZN4shop6ClientD0Ev", "shop::Client::~Client()" },
	{ "_ZN4shop6ClientcviEv", "shop::Client::operator int()" },
	{ "_ZN4shop6ClientdlEPv", "shop::Client::operator delete(void*)" },
	{ "_ZplRK1AS1_", "operator+(A const&, A const&)" },
	{ "_ZN12_GLOBAL__N_13fooEv", "(anonymous namespace)::foo()" },
	{ "_ZL3foov", "foo()" },
	{ "_ZSt4moveIRiEONSt16remove_referenceIT_E4typeEOS2_",
	  "std::move<int&>(int&)" }, /* what is declared is && of T_ */
	{ "_ZNSt6vectorIiSaIiEE9push_backEOi",
	  "std::vector<int, std::allocator<int>>::push_back(int&&)" },
	{ "_Z1fPFivE", "f(int (*)())" },
	{ "_Z1fRA3_i", "f(int (&)[3])" },
	{ "_Z1fILi3ELb1EEvv", "f<3, true>()" },
	{ "_Z1fz", "f(...)" },
	{ "_ZZ4mainENKUliE_clEi", "main::{lambda(int)}::operator()(int) const" },
	{ "_ZZN1A1fEvE1x", "A::f()::x" },
	{ "_ZTV1A", "vtable for A" },
	{ "_ZThn16_N1A1fEv", "A::f()" },
	{ "_Z3foov.constprop.0", "foo()" },
	{ "_ZN1A1xE", "A::x" },
	{ "main", NULL },
	{ "", NULL },
	{ "_Z", NULL },
	{ "_Z3fo", NULL },
	{ "_ZN4shop5fetchi", NULL },    /* no end */
	{ "_ZN4shop5fetchES9_", NULL }, /* what was not there before */
	{ "_Z1fT_", NULL },
	{ "_Z99999999999foo", NULL },
};

static void test_demangle_every_row(void **state)
{
	char to[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *want = rows[i].want ? rows[i].want : "";
		size_t len = demangle(to, sizeof(to), bytes_from_str(rows[i].name));

		if (len != strlen(want) || memcmp(to, want, len) != 0)
			fail_msg("%s: %.*s", rows[i].name, (int)len, to);
	}
}

static void test_demangle_is_bounded(void **state)
{
	static char deep[4096], wide[4096];
	char to[64];
	size_t n = 0;

	(void)state;
	memset(deep, 'P', sizeof(deep));
	memcpy(deep, "_Z1f", 4);
	assert_int_equal(demangle(to, sizeof(to), (struct bytes){ deep, sizeof(deep) }), 0);
	/* Each parameter is twice the one before. */
	n = (size_t)snprintf(wide, sizeof(wide), "_Z1fI1aE1pIS_S_E");
	for (int i = 0; i < 60; i++)
		n += (size_t)snprintf(wide + n, sizeof(wide) - n, "1pIS%d_S%d_E", i, i);
	(void)demangle(to, sizeof(to), (struct bytes){ wide, n });
	/* What does not fit is none. */
	assert_int_equal(demangle(to, 15, BYTES("_ZN4shop5fetchEi")), 0);
	assert_int_equal(demangle(to, 16, BYTES("_ZN4shop5fetchEi")), 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_demangle_every_row),
		cmocka_unit_test(test_demangle_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
