/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NATIVE_FRAME_H
#define NATIVE_FRAME_H
/*
 * A stack of addresses, "#3 /usr/bin/curl+0x1bcc2 (build id ...)" a line, as one place: the first
 * frame that is not in a library, by the name of its function if the file is on this host.
 */
#include "otlp.h"
#include "text.h"

/* Adds unsafe text: "load_orders in /usr/bin/shop", or "/usr/bin/shop+0x1bcc2". */
void native_frame(struct text *to, const struct otlp_span *s, struct bytes stack);

#endif
