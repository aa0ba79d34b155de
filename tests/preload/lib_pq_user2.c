/* SPDX-License-Identifier: Apache-2.0 */
/* The same, linked with the other copy. */
#include "lib_pq_user.c"
