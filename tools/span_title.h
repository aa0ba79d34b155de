/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPAN_TITLE_H
#define SPAN_TITLE_H
/*
 * What a span is called on the screen.  The names of HTTP spans have low cardinality ("GET"), but a
 * person looks for "GET /orders/7".  Attributes of the stable conventions, then of the older ones
 * that many SDKs still send.
 */
#include "otlp.h"
#include "text.h"

/* Method and path, or the span's name.  Unsafe text, for term_add(). */
void span_title(struct text *to, const struct otlp_span *s);

/* Status code, "ERROR", and the kind of error where it says more: "500 ERROR", "ERROR timeout". */
void span_outcome(struct text *to, const struct otlp_span *s);

#endif
