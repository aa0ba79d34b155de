/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZIPKIN_JSON_H
#define ZIPKIN_JSON_H
/*
 * Spans as Zipkin's v2 JSON, by OpenTelemetry's rules for it: attributes are tags, events are
 * annotations, microseconds are numbers; of the resource it is told the service's name alone.
 */
#include "otlp_encode.h"

size_t zipkin_span_bound(const struct record *r, struct bytes service);

/* service is valid UTF-8.  Returns the length; to has room for the bound. */
size_t zipkin_span(struct otlp_encoder *e, const struct record *r, struct bytes service,
		   uint8_t *to);

#endif
