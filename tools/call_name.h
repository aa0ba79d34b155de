/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CALL_NAME_H
#define CALL_NAME_H
/*
 * Names for what many spans have in common.  All of it unsafe text, for term_add() or JSON.
 */
#include "span_title.h"
#include "trace_tree.h"

/*
 * The span's title with whatever tells one call of a kind from the next left out: "GET /items/{}".
 */
void call_shape(struct text *to, const struct otlp_span *s);

/*
 * Whom a call goes to: the service that answered it, if its span is in the tree, else what the
 * caller knew ("db:5432", "redis").  Returns borrowed bytes of the spans, or of scratch; empty: not
 * known, or no call.
 */
struct bytes call_peer(const struct trace_tree *tree, uint32_t node, struct text *scratch);

/* "GET gamma/items/{}", "SELECT items on db:5432". */
void call_name(struct text *to, const struct trace_tree *tree, uint32_t node);

/*
 * Where in the program the span was made, by its code.* attributes: "load() at shop.c:42".  Nothing
 * is added if it does not tell.
 */
void call_site(struct text *to, const struct otlp_span *s);

#endif
