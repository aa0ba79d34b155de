/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OTLP_REPLY_H
#define OTLP_REPLY_H
/* Bodies of answers, in the encoding of the request (O4). */
#include "text.h"

enum otlp_encoding { OTLP_PROTOBUF, OTLP_JSON };

const char *otlp_content_type(enum otlp_encoding e);

/* ExportTraceServiceResponse: empty, or with a partial success (O15). */
void otlp_reply_accept(struct text *to, enum otlp_encoding e, uint32_t rejected, const char *why);

/* google.rpc.Status (O24).  why is our own text, plain ASCII without quotes. */
void otlp_reply_refuse(struct text *to, enum otlp_encoding e, const char *why);

#endif
