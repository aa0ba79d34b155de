/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STACKS_H
#define STACKS_H
/*
 * The return addresses that a span keeps (stack.h), as text: code.stacktrace, and of the first
 * frame outside known libraries code.function.name, code.file.path and code.line.number (D117).
 */
#include "store.h"

#define STACKS_TEXT_MAX STORE_VALUE_MAX

struct stacks {
	char text[STACKS_TEXT_MAX];
};

/*
 * Puts those attributes behind what r holds, as far as there is room for them.  r: checked by
 * store_read(); what its stack says is anybody's word all the same.
 */
void stacks_tell(struct stacks *s, struct record *r);

#endif
