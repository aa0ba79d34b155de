/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

/* All zero, so that it costs no initialisation image in the thread-local segment. */
_Alignas(64) THREAD_LOCAL struct thread thread_self;
