/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DWARF_LINE_H
#define DWARF_LINE_H
/*
 * Source file and line of addresses, by .debug_line (DWARF 2 to 5).  As code_file.h: the file is
 * anybody's; no allocation; DWARF_LINE_BYTES_MAX of it are looked at.
 */
#include "code_file.h"

#define DWARF_LINE_BYTES_MAX (32u << 20)

/* Sets line and path of those of the n places that are in a line of the tables. */
void dwarf_line_places(const struct code_file *f, struct code_place *places, size_t n);

#endif
