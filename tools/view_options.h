/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIEW_OPTIONS_H
#define VIEW_OPTIONS_H
#include "trace_store.h"

struct view_options {
	uint16_t port;
	bool is_port_given;
	const char *file; /* NULL: receive */
	bool is_once;
	bool is_json;
	struct trace_waits waits;
};

/* Returns an exit status, or -1: go on. */
MUST_USE int view_options_read(struct view_options *ret, int argc, char **argv);

#endif
