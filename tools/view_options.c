/* SPDX-License-Identifier: Apache-2.0 */
#include "view_options.h"

#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "command.h"
#include "receiver.h"

#define GRACE_MAX 3600000

static bool read_number(const char *word, const char *text, unsigned long max, unsigned long *ret)
{
	char *end;

	*ret = strtoul(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && *ret <= max)
		return true;
	command_error("view", "%s needs a number from 0 to %lu, not '%s'", word, max, text);
	return false;
}

static bool read_source(struct view_options *o, int c)
{
	unsigned long n;

	switch (c) {
	case 'p':
		if (!read_number("--port", optarg, UINT16_MAX, &n))
			return false;
		o->port = (uint16_t)n;
		o->is_port_given = true;
		return true;
	case 'g':
		if (!read_number("--grace", optarg, GRACE_MAX, &n))
			return false;
		/* Who gives it knows the exporters: whatever seems to be missing, wait no longer.
		 */
		o->waits = (struct trace_waits){ n, n, n };
		return true;
	case 'f':
		o->file = optarg;
		return true;
	default:
		o->is_once = true;
		return true;
	}
}

static bool is_id_part(const char *text)
{
	size_t n = 0;

	while (isxdigit((unsigned char)text[n]))
		n++;
	return n && n <= 32 && !text[n];
}

static bool read_selection(struct view_options *o, int c)
{
	struct selection *s = &o->selection;

	o->is_selecting = true;
	switch (c) {
	case 't':
		s->trace = optarg;
		if (is_id_part(optarg))
			return true;
		command_error("view", "--trace needs up to 32 hex digits, not '%s'", optarg);
		return false;
	case 's':
		s->service = optarg;
		return true;
	case 'd':
		if (parse_duration(optarg, &s->min_ns))
			return true;
		command_error("view", "--min-duration needs a time such as 250ms, not '%s'",
			      optarg);
		return false;
	case 'e':
		s->is_error = true;
		return true;
	case 'a':
		if (selection_add_attr(s, optarg))
			return true;
		command_error("view", "--attr needs KEY=VALUE, %u times at most: '%s'",
			      SELECTION_ATTRS_MAX, optarg);
		return false;
	default:
		if (parse_since(optarg, clock_realtime_ns(), &s->since_ns))
			return true;
		command_error("view", "--since needs 10m, 2h, or 2026-11-26T07:00:00Z, not '%s'",
			      optarg);
		return false;
	}
}

static bool read_output(struct view_options *o, int c)
{
	switch (c) {
	case 'T':
		o->mode = VIEW_TOP;
		return true;
	case 'C':
		o->compare = optarg;
		o->mode = VIEW_MAP;
		return true;
	case 'j':
		o->is_json = true;
		return true;
	default:
		break;
	}
	o->mode = VIEW_MAP;
	if (!optarg || strcmp(optarg, "text") == 0)
		o->map_form = MAP_TEXT;
	else if (strcmp(optarg, "mermaid") == 0)
		o->map_form = MAP_MERMAID;
	else if (strcmp(optarg, "dot") == 0)
		o->map_form = MAP_DOT;
	else {
		command_error("view", "--map is text, mermaid or dot, not '%s'", optarg);
		return false;
	}
	return true;
}

static bool read_option(struct view_options *o, int c)
{
	if (strchr("pgfo", c))
		return read_source(o, c);
	if (strchr("tsdeaS", c))
		return read_selection(o, c);
	return read_output(o, c);
}

static const struct option options[] = {
	{ "port", required_argument, NULL, 'p' },
	{ "grace", required_argument, NULL, 'g' },
	{ "file", required_argument, NULL, 'f' },
	{ "once", no_argument, NULL, 'o' },
	{ "trace", required_argument, NULL, 't' },
	{ "service", required_argument, NULL, 's' },
	{ "error", no_argument, NULL, 'e' },
	{ "min-duration", required_argument, NULL, 'd' },
	{ "attr", required_argument, NULL, 'a' },
	{ "since", required_argument, NULL, 'S' },
	{ "top", no_argument, NULL, 'T' },
	{ "map", optional_argument, NULL, 'm' },
	{ "compare", required_argument, NULL, 'C' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

int view_options_read(struct view_options *ret, int argc, char **argv)
{
	int c;

	*ret = (struct view_options){ .port = RECEIVER_PORT, .waits = trace_waits_default };
	opterr = 0;
	optind = 1;
	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == 'h') {
			view_help_print();
			return EXIT_SUCCESS;
		}
		if (c == '?' || c == ':') {
			command_error("view", c == ':' ? "%s needs a value" : "no option %s",
				      argv[optind - 1]);
			return EXIT_USAGE;
		}
		if (!read_option(ret, c))
			return EXIT_USAGE;
	}
	if (optind < argc) {
		command_error("view", "what is '%s'? see interspan view --help", argv[optind]);
		return EXIT_USAGE;
	}
	if (ret->is_json && ret->mode == VIEW_MAP)
		ret->map_form = MAP_JSON;
	return -1;
}
