/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARTIAL_H
#define PARTIAL_H
/* What a receiver says about a request that it accepted (O14-O16, O111, O112). */
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

/*
 * *ret_rejected and text (NUL-terminated, empty if it says nothing) are 0 and empty for a body that
 * cannot be read: the request was accepted all the same (O23).
 */
void partial_read(struct bytes body, struct bytes content_type, int64_t *ret_rejected, char *text,
		  size_t text_size);

#endif
