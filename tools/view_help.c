/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "view_options.h"

static const char help[] =
	"Usage: interspan view [OPTIONS]\n"
	"Receives traces by OTLP/HTTP on 127.0.0.1 and prints each one when it is finished.\n"
	"\n"
	"Where from:\n"
	"  --port N            listen on port N and nowhere else; 0 is any free one\n"
	"                      (default: 4318, or another one if that is taken)\n"
	"  --file FILE         read FILE instead: OTLP in JSON, a request a line, plain or\n"
	"                      gzipped; - is standard input\n"
	"  --grace MS          a trace is finished when nothing new came for MS milliseconds\n"
	"                      (default: 300 if it looks whole; while the other side of a call\n"
	"                      may be on its way 5500 after its end; 60000 if a span is surely\n"
	"                      missing)\n"
	"  --once              end after the first trace that is shown\n"
	"\n"
	"Which traces, all of it together:\n"
	"  --trace ID          whose id begins with these hex digits\n"
	"  --service NAME      in which this service has a span\n"
	"  --min-duration T    that took so long at least: 250ms, 1.5s, 2m\n"
	"  --error             in which something failed\n"
	"  --attr KEY[=VALUE]  with this attribute on a span or its resource; may be repeated\n"
	"  --since T           that began so long ago at most (10m, 2h), or after a time\n"
	"                      (2026-11-26T07:00:00Z)\n"
	"\n"
	"What of them; the latter two are printed at the end (ctrl-C):\n"
	"  --top               traces of one shape together: how many, how many failed, how\n"
	"                      long; the most expensive first, with the id of its slowest\n"
	"  --map[=FORM]        which service calls which: text (default), mermaid, dot\n"
	"  --compare OLD       the map, and what is new or gone since the traces in file OLD;\n"
	"                      the exit status is 3 if anything is\n"
	"  --json              lines of JSON instead, for each of these\n"
	"  --help              print this\n"
	"\n"
	"When it is ready, 'listening on http://127.0.0.1:PORT' is on standard error.\n"
	"On SIGINT, SIGTERM or SIGHUP unfinished traces are printed, and the status is 0; it is\n"
	"1 if something could not be read or printed.\n"
	"\n"
	"Colours are used on a terminal, unless NO_COLOR is set or TERM is dumb; the width is\n"
	"that of the terminal, else COLUMNS, at least 80.  interspan(1) explains what is shown,\n"
	"and the members of the JSON.\n";

void view_help_print(void)
{
	fputs(help, stdout);
}
