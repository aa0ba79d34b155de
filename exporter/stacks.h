/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STACKS_H
#define STACKS_H
/*
 * The return addresses that a span keeps (stack.h), as text: code.stacktrace, and of the first
 * frame outside known libraries code.function.name, code.file.path and code.line.number (D117).
 */
#include "code_file.h"
#include "stack.h"
#include "store.h"

#define STACKS_TEXT_MAX STORE_VALUE_MAX
#define STACKS_KNOWN 256u

/* Exporter thread only; all zero at first. */
struct stacks {
	char text[STACKS_TEXT_MAX];
	char exe[STACK_PATH_MAX + 1]; /* of the record's process */
	size_t exe_len;
	struct code_place places[STACK_FRAMES_MAX]; /* one for each frame */
	struct code_place asked[STACK_FRAMES_MAX];  /* those of one file that were not known */
	/* Places that were looked for before, by what file they are in; the oldest goes first. */
	struct known_place {
		uint64_t file; /* 0: none */
		struct code_place place;
	} known[STACKS_KNOWN];
	uint32_t next;
};

/*
 * Puts those attributes behind what r holds, as far as there is room for them.  r: checked by
 * store_read(); what its stack says is anybody's word all the same.  Reads the files that it names,
 * if they are those that were loaded, by their build ids.
 */
void stacks_tell(struct stacks *s, struct record *r);

#endif
