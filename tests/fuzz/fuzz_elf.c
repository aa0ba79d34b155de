/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that tell of code, by their first byte: e(lf file), l(ines: the bytes of .debug_line, which
 * are its texts, too), n(ame of C++).  What is found must be inside of what there is room for.
 */
#include <stdlib.h>

#include "code_file.h"
#include "demangle.h"
#include "dwarf_line.h"

#define PLACES 8u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct code_place places[PLACES];

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void places_set(void)
{
	for (uint32_t i = 0; i < PLACES; i++)
		places[i] = (struct code_place){ .at = 0x1000u + 0x111u * i };
}

static void places_check(void)
{
	for (uint32_t i = 0; i < PLACES; i++) {
		const struct code_place *p = &places[i];

		check(p->name_len < sizeof(p->name) && p->path_len <= sizeof(p->path));
		check(!p->name_len || (p->start <= p->at && !memchr(p->name, 0, p->name_len)));
	}
}

static void elf(const uint8_t *data, size_t size)
{
	struct code_source from = { .bytes = data, .size = size };
	struct code_file f;

	if (!code_open(&f, from))
		return;
	places_set();
	code_name_places(&f, places, PLACES);
	dwarf_line_places(&f, places, PLACES);
	places_check();
}

static void lines(const uint8_t *data, size_t size)
{
	struct code_file f = { .source = { .bytes = data, .size = size } };

	f.line = f.line_str = f.str = (struct code_part){ 0, size };
	places_set();
	dwarf_line_places(&f, places, PLACES);
	places_check();
}

static void name(const uint8_t *data, size_t size)
{
	char to[200];

	memset(to, 0x7e, sizeof(to));
	check(demangle(to, sizeof(to) - 1, (struct bytes){ (const char *)data, size }) <
	      sizeof(to));
	check(to[sizeof(to) - 1] == 0x7e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	switch (data[0]) {
	case 'e':
		elf(data + 1, size - 1);
		break;
	case 'l':
		lines(data + 1, size - 1);
		break;
	default:
		name(data + 1, size - 1);
		break;
	}
	return 0;
}
