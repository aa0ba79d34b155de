/* SPDX-License-Identifier: Apache-2.0 */
#include "view_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "command.h"
#include "receiver.h"

#define GRACE_MAX 3600000

static void print_help(void)
{
	puts("Usage: interspan view [OPTIONS]\n"
	     "Receives traces by OTLP/HTTP on 127.0.0.1 and prints each one when it is "
	     "finished.\n\n"
	     "  --file FILE read FILE instead: OTLP in JSON, a request a line, plain or gzipped;\n"
	     "              - is standard input\n"
	     "  --port N    listen on port N and nowhere else; 0 is any free one\n"
	     "              (default: 4318, or another one if that is taken)\n"
	     "  --once      end after the first trace\n"
	     "  --json      one line of JSON per trace instead of a picture\n"
	     "  --grace MS  a trace is finished when nothing new came for MS milliseconds\n"
	     "              (default: 300 if it looks whole; while the other side of a call may\n"
	     "              be on its way 5500 after its end; 60000 if a span is surely missing)\n"
	     "  --help      print this\n\n"
	     "When it is ready, 'listening on http://127.0.0.1:PORT' is on standard error.\n"
	     "On SIGINT, SIGTERM or SIGHUP unfinished traces are printed, and the status is 0.\n\n"
	     "Colours are used on a terminal, unless NO_COLOR is set; the width is that of the\n"
	     "terminal, else COLUMNS, at least 80.  '?' marks a span whose parent is missing.\n\n"
	     "JSON: {\"traceId\", \"late\", \"duplicates\", \"durationNano\", \"spans\": "
	     "[{\"traceId\", \"spanId\",\n"
	     "\"parentSpanId\", \"name\", \"kind\", \"service\", \"startUnixNano\", "
	     "\"endUnixNano\",\n"
	     "\"status\", \"statusMessage\", \"selfNano\", \"criticalNano\", \"movedNano\",\n"
	     "\"critical\", \"flags\", \"orphan\", \"events\", \"links\", \"attributes\": {},\n"
	     "\"resource\": {}}], \"verdict\": [{\"kind\", \"spanId\", \"count\", \"nano\",\n"
	     "\"text\"}]}.  Ids are lower-case hex, parentSpanId is "
	     "\"\"\n"
	     "for a root; kind is SERVER, CLIENT, INTERNAL, PRODUCER or CONSUMER; status is\n"
	     "UNSET, OK or ERROR; times are integers; parents come before their children.\n"
	     "Spans that come after their trace was printed make one more line, with late true.");
}

static bool read_number(const char *word, const char *text, unsigned long max, unsigned long *ret)
{
	char *end;

	*ret = strtoul(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && *ret <= max)
		return true;
	command_error("view", "%s needs a number from 0 to %lu, not '%s'", word, max, text);
	return false;
}

static bool read_option(struct view_options *o, int c)
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
	case 'o':
		o->is_once = true;
		return true;
	default:
		o->is_json = true;
		return true;
	}
}

int view_options_read(struct view_options *ret, int argc, char **argv)
{
	static const struct option options[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "once", no_argument, NULL, 'o' },
		{ "json", no_argument, NULL, 'j' },
		{ "grace", required_argument, NULL, 'g' },
		{ "help", no_argument, NULL, 'h' },
		{ "file", required_argument, NULL, 'f' },
		{ 0 },
	};
	int c;

	*ret = (struct view_options){ .port = RECEIVER_PORT, .waits = trace_waits_default };
	opterr = 0;
	optind = 1;
	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == 'h') {
			print_help();
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
	return -1;
}
