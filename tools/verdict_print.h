/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VERDICT_PRINT_H
#define VERDICT_PRINT_H
#include "term.h"
#include "verdict.h"

/* One line for each finding, or more where the window is narrow.  Nothing if there is none. */
void verdict_print(struct text *to, const struct style *st, const struct trace_report *r);

#endif
