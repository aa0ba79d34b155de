/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STACK_FILES_H
#define STACK_FILES_H
/* The files that tell of code: what was loaded itself, and its debug file. */
#include "code_file.h"

/*
 * Names n places of the file at path whose build id is id (empty: it has none), and tells their
 * lines.  Nothing, if it is another file by now, or none that may be read.
 */
void stack_files_look(const char *path, struct bytes id, struct code_place *places, size_t n);

#endif
