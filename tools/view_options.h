/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIEW_OPTIONS_H
#define VIEW_OPTIONS_H
#include "selection.h"
#include "service_map.h"

enum view_mode { VIEW_WATERFALLS, VIEW_TOP, VIEW_MAP };

struct view_options {
	uint16_t port;
	bool is_port_given;
	const char *file; /* NULL: receive */
	bool is_once;
	bool is_json;
	enum view_mode mode;
	enum map_form map_form;
	const char *compare; /* NULL: with nothing */
	struct selection selection;
	bool is_selecting;
	struct trace_waits waits;
};

/* Returns an exit status, or -1: go on. */
MUST_USE int view_options_read(struct view_options *ret, int argc, char **argv);

/* On standard output. */
void view_help_print(void);

#endif
