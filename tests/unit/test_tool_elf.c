/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs by their first bytes.  Images are made here, header by header; what is behind them stays
 * out.
 */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "compiler.h"
#include "elf_file.h"

#define GLIBC "/lib64/ld-linux-x86-64.so.2"

struct image {
	Elf64_Ehdr file;
	Elf64_Phdr segments[2];
	char interpreter[64];
	Elf64_Nhdr note;
	char note_name[4];
	char note_text[4];
};

static struct image make(const char *interpreter, bool is_go)
{
	struct image m = {
		.file = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1 },
			  .e_type = ET_DYN,
			  .e_machine = EM_X86_64,
			  .e_phoff = offsetof(struct image, segments),
			  .e_phentsize = sizeof(Elf64_Phdr),
			  .e_phnum = 2 },
		.note = { .n_namesz = 4, .n_descsz = 4, .n_type = is_go ? 4 : 1 },
		.note_name = "Go\0",
	};

	m.segments[0] = (Elf64_Phdr){ .p_type = interpreter ? PT_INTERP : PT_LOAD,
				      .p_offset = offsetof(struct image, interpreter),
				      .p_filesz = interpreter ? strlen(interpreter) + 1 : 0 };
	m.segments[1] = (Elf64_Phdr){ .p_type = PT_NOTE,
				      .p_offset = offsetof(struct image, note),
				      .p_filesz = 20 };
	if (interpreter)
		memcpy(m.interpreter, interpreter, strlen(interpreter) + 1);
	return m;
}

static struct elf_facts facts_of(const struct image *m, size_t len)
{
	/* A copy of exactly so many bytes, so that a byte too many is seen. */
	char *copy = malloc(len ? len : 1);
	struct elf_facts facts;

	memcpy(copy, m, len);
	elf_read(&facts, (struct bytes){ copy, len });
	free(copy);
	return facts;
}

static void test_tool_elf_reads_loader_and_language(void **state)
{
	static const struct {
		const char *interpreter;
		bool is_go;
	} rows[] = { { GLIBC, false },
		     { "/lib/ld-musl-x86_64.so.1", false },
		     { NULL, true },
		     { GLIBC, true } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct image m = make(rows[i].interpreter, rows[i].is_go);
		struct elf_facts got = facts_of(&m, sizeof(m));

		assert_true(got.is_elf && got.is_whole && got.is_64);
		assert_int_equal(got.machine, EM_X86_64);
		assert_string_equal(got.interpreter,
				    rows[i].interpreter ? rows[i].interpreter : "");
		assert_int_equal(got.is_go, rows[i].is_go);
	}
}

static void test_tool_elf_knows_32_bits(void **state)
{
	struct image m = make(GLIBC, false);
	struct elf_facts got;

	(void)state;
	m.file.e_ident[EI_CLASS] = ELFCLASS32;
	got = facts_of(&m, sizeof(m));
	assert_true(got.is_elf && !got.is_64 && !got.is_whole);
}

/* Cut at every length, and with every field of a header at its worst: nothing outside is read. */
static void test_tool_elf_stays_inside_whatever_it_is_told(void **state)
{
	struct image m = make(GLIBC, true);

	(void)state;
	for (size_t len = 0; len <= sizeof(m); len++)
		facts_of(&m, len);
	for (size_t at = EI_NIDENT; at < sizeof(m); at++)
		for (int byte = 0; byte < 256; byte += 51) {
			struct image bad = m;

			((unsigned char *)&bad)[at] = (unsigned char)byte;
			facts_of(&bad, sizeof(bad));
		}
	for (size_t at = EI_NIDENT; at + 8 <= offsetof(struct image, interpreter); at++) {
		struct image bad = m;

		memset((char *)&bad + at, 0xff, 8);
		facts_of(&bad, sizeof(bad));
	}
	memset(&m.note, 0xff, sizeof(m.note));
	assert_false(facts_of(&m, sizeof(m)).is_go);
}

static void test_tool_elf_is_not_fooled_by_text(void **state)
{
	struct elf_facts got;

	(void)state;
	elf_read(&got, BYTES("#!/bin/sh\n"));
	assert_false(got.is_elf);
	elf_read(&got, BYTES("\177ELF"));
	assert_false(got.is_elf);
	elf_read(&got, (struct bytes){ NULL, 0 });
	assert_false(got.is_elf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tool_elf_reads_loader_and_language),
		cmocka_unit_test(test_tool_elf_knows_32_bits),
		cmocka_unit_test(test_tool_elf_stays_inside_whatever_it_is_told),
		cmocka_unit_test(test_tool_elf_is_not_fooled_by_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
