/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BOUNDARY_H
#define BOUNDARY_H
/*
 * OTEL_INTERSPAN_PROPAGATE_TO: whom trace headers are meant for (C124).  A pattern with a colon is
 * compared with host and port as the request has them, any other with the host.
 */
#include "head.h"

/* Is the host that the request asks for inside?  One without a host is inside of `*` alone. */
bool boundary_has(const struct head *head, const char *text, bool is_connect);

#endif
