/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STACK_MODULES_H
#define STACK_MODULES_H
/*
 * What was loaded where the frames of a stack are, as it is kept beside them: the library may be
 * gone when somebody looks.  Under the lock of stack.c; nothing is locked or allocated.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stack.h"

#define STACK_PACKED_MAX (sizeof(struct stack_module) + STACK_ID_MAX + STACK_PATH_MAX)

struct stack_modules {
	uint32_t n;
	struct packed_module {
		uintptr_t start, end; /* in memory */
		uintptr_t base;       /* what its file's addresses are moved by */
		uint16_t len;
		char packed[STACK_PACKED_MAX];
	} at[STACK_MODULES_MAX];
};

/* Is that an address of ours? */
bool stack_modules_is_own(uintptr_t at);

/* The frame of a return address; its module is added if it is new and there is room. */
struct stack_frame stack_modules_frame(struct stack_modules *m, uintptr_t at);

/*
 * Since this was asked last, was something found where something else had been?  Then what was
 * remembered of any code may be of other code.
 */
bool stack_modules_changed(void);

#endif
