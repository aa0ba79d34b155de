/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUIESCE_H
#define QUIESCE_H
/*
 * The exporter thread's own use of Q (exporter.h).  Rule: Q is held from quiesce_begin() to
 * quiesce_end() but for the system calls between a pause and its resume, and nothing else of libc,
 * libcurl or c-ares runs in between.  No other lock is ever held with Q.
 *
 * Exporter thread only.  Pause and resume outside of begin and end do nothing.
 */
#include <stdatomic.h>
#include <stdint.h>

#include "exporter.h"

void quiesce_begin(_Atomic uint32_t *q);
void quiesce_end(void);

void quiesce_pause(void);
void quiesce_resume(void);

#endif
