/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ELF_FILE_H
#define ELF_FILE_H
/*
 * What the first bytes of a program tell of how it will be loaded.  Pure: bytes in, facts out; the
 * bytes are anybody's.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"

/* Headers, notes and the interpreter's name are in so many bytes of every program that matters. */
#define ELF_HEAD_MAX ((size_t)1 << 20)

struct elf_facts {
	bool is_elf;
	bool is_whole; /* the program headers are there, and of a layout that we read */
	bool is_64;
	bool is_go;
	uint16_t type;              /* ET_EXEC, ET_DYN, ... */
	uint16_t machine;           /* EM_X86_64, ... */
	char interpreter[PATH_MAX]; /* the dynamic loader; empty: none, so it is static */
};

/* Little-endian files of 64 bits are read to the end; of others only what they are. */
void elf_read(struct elf_facts *ret, struct bytes head);

/* The machine that this program was built for. */
uint16_t elf_own_machine(void);

#endif
