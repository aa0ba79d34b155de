/* SPDX-License-Identifier: Apache-2.0 */
/* A second copy, as a wheel brings one: its database has another name. */
#define COPY "two"
#include "lib_pq.c"
