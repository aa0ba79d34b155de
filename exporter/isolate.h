/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ISOLATE_H
#define ISOLATE_H
/*
 * A descriptor table of this thread's own: the host can neither see, close nor reuse our sockets (a
 * closefrom() in the host once sent our requests into its files), and we hold none of its
 * descriptors open behind its back.
 */
#include <stdbool.h>

#include "compiler.h"

#define KEEP_STDOUT (1u << 1)
#define KEEP_STDERR (1u << 2)

/*
 * Gives the calling thread an empty table of its own, and an fs_struct if that may be had.  0, 1
 * and 2 are harmless afterwards, but for those to be kept, which stay the host's: *ret_kept says
 * which of them there are.  False: refused; the thread may still share the host's table, and must
 * do no I/O.
 */
MUST_USE bool isolate(unsigned int keep, unsigned int *ret_kept);

#endif
