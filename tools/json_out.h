/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JSON_OUT_H
#define JSON_OUT_H
#include "text.h"
#include "trace_tree.h"

/*
 * One line, the object that `interspan view --help` describes.  only_late: those spans alone that
 * came after the trace was printed, and the member "late":true.
 */
void json_out_trace(struct text *to, const struct trace *t, const struct trace_tree *tree,
		    bool only_late);

#endif
