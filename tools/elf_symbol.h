/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ELF_SYMBOL_H
#define ELF_SYMBOL_H
/* Which function of a file is at an address: by its symbol table, if it has one and is the file. */
#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "compiler.h"

#define ELF_SYMBOL_MAX 128

/*
 * address: as the file has it.  build_id: hex digits that the file's must be.  False: it is not
 * this file, or it does not tell.  Only regular files are opened, and what they say is not trusted.
 */
MUST_USE bool elf_symbol_find(const char *path, struct bytes build_id, uint64_t address,
			      char ret[ELF_SYMBOL_MAX]);

#endif
