/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JSON_OUT_H
#define JSON_OUT_H
#include "text.h"
#include "verdict.h"

/*
 * One line, the object that `interspan view --help` describes.  only_late: those spans alone that
 * came after the trace was printed, and the member "late":true.
 */
void json_out_trace(struct text *to, const struct trace *t, const struct trace_report *r,
		    bool only_late);

/* A text in quotes. */
void json_out_string(struct text *to, struct bytes s);

#endif
