/* SPDX-License-Identifier: Apache-2.0 */
/* Apart from single.c, which needs the resolver. */
#include "single.h"

static const volatile char not_known;
const volatile char *single_word = &not_known;
