/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CODE_FILE_H
#define CODE_FILE_H
/*
 * As much of an ELF file as tells which function an address is in.  The file is anybody's: all of
 * it is read by offset, checked against its size, and never mapped, since it may shrink meanwhile.
 * No allocation; what is read is bounded.  64 bits, little-endian.  Exporter thread only.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "compiler.h"

#define CODE_ID_MAX 20u
#define CODE_NAME_MAX 512u /* of a symbol; a longer one is none */

/* Where the bytes come from: a descriptor, or memory (for tests). */
struct code_source {
	int fd;
	const unsigned char *bytes; /* NULL: fd counts */
	uint64_t size;
};

/* A section; len 0: there is none. */
struct code_part {
	uint64_t at;
	uint64_t len;
};

struct code_file {
	struct code_source source;
	struct code_part symtab, strtab;
	struct code_part dynsym, dynstr;
	struct code_part line, line_str, str; /* DWARF, if it is not compressed */
	uint8_t id_len;
	char id[CODE_ID_MAX];
};

/* What is wanted to be known of an address; name and line empty and 0 at first. */
struct code_place {
	uint64_t at;    /* in: in the file's own addresses */
	uint64_t start; /* of the function that it is in */
	uint16_t name_len;
	uint16_t path_len;
	uint32_t line; /* 0: unknown */
	uint8_t rank;
	uint32_t name_at; /* internal */
	char name[CODE_NAME_MAX];
	char path[256];
};

/* False: it is no ELF file that is understood. */
MUST_USE bool code_open(struct code_file *f, struct code_source from);

/* All len bytes, or false. */
MUST_USE bool code_read(const struct code_file *f, uint64_t at, void *to, size_t len);

/* At most cap - 1 bytes of the text at `at` of part; its length, or cap: it is longer. */
size_t code_text(const struct code_file *f, struct code_part part, uint64_t at, char *to,
		 size_t cap);

/* Names those of the n places that are in a function of .symtab, or of .dynsym. */
void code_name_places(const struct code_file *f, struct code_place *places, size_t n);

#endif
