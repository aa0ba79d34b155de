/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE64_H
#define BASE64_H
/* RFC 4648 4, read only.  Pure. */
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

/* Returns how many bytes; more than there is room for are left out, and so is what is no digit. */
size_t base64_decode(struct bytes from, uint8_t *to, size_t room);

#endif
