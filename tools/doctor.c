/* SPDX-License-Identifier: Apache-2.0 */
/* interspan doctor: why is there no data. */
#include "doctor.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "command.h"
#include "output.h"
#include "preload_path.h"
#include "proc_file.h"

#define EXIT_SICK 1
#define EXIT_UNSEEN 3

static const char help[] =
	"Usage: interspan doctor [--json] [PID | PROGRAM | URL]\n"
	"Why is there no data?\n"
	"\n"
	"  PID      a running process: is the library in it, and if not, why; is it switched\n"
	"           off; what has it counted, and made of each of its connections; does its\n"
	"           endpoint take spans\n"
	"  PROGRAM  can it be preloaded, and what would the environment here make of it\n"
	"  URL      an endpoint: is somebody there, who speaks the protocol that is asked for\n"
	"           (OTEL_EXPORTER_OTLP_PROTOCOL), and takes a span\n"
	"           (without any of these: the environment here, and its endpoint)\n"
	"  --json   a line of JSON for each finding: level, finding, what, seen, remedy,\n"
	"           connections\n"
	"  --help   print this\n"
	"\n"
	"An endpoint is sent one span, of the service interspan-doctor; a process is neither\n"
	"stopped nor signalled.  The exit status is 0 if nothing is wrong, 1 if something is, 2\n"
	"for wrong options, 3 if the process is not there or cannot be looked at.\n";

/* Returns an exit status, or -1: go on, with the word at optind. */
static int read_options(int argc, char **argv, bool *ret_is_json)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' },
						 { "help", no_argument, NULL, 'h' },
						 { 0 } };
	int c;

	opterr = 0;
	optind = 1;
	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1)
		switch (c) {
		case 'j':
			*ret_is_json = true;
			break;
		case 'h':
			fputs(help, stdout);
			return EXIT_SUCCESS;
		default:
			command_error("doctor", "no option %s", argv[optind - 1]);
			return EXIT_USAGE;
		}
	if (argc - optind <= 1)
		return -1;
	command_error("doctor", "one at a time, see interspan doctor --help");
	return EXIT_USAGE;
}

static pid_t pid_of(const char *word)
{
	char *end;
	long pid = strtol(word, &end, 10);

	return *word >= '0' && *word <= '9' && !*end && pid > 0 && pid <= INT32_MAX ? (pid_t)pid :
										      0;
}

static void object(struct diagnosis *d)
{
	char path[PRELOAD_PATH_MAX];

	if (preload_path_find(path, sizeof(path)))
		return;
	diagnose(d, LEVEL_BAD, "not-installed",
		 "libinterspan.so is neither beside this program nor installed");
	diagnosis_seen(d, "%s", path);
	diagnosis_remedy(d, "make install, or put it beside interspan");
}

/* word: a program, a URL, or NULL. */
static void look_here(struct diagnosis *d, const char *word)
{
	struct text own = { 0 };
	struct bytes env;
	bool is_url = word && strstr(word, "://");

	env_own(&own);
	env = (struct bytes){ own.ptr, own.len };
	if (word && !is_url)
		doctor_program(d, word);
	if (!is_url) {
		object(d);
		doctor_settings(d, env);
	}
	doctor_endpoint(d, env, is_url ? word : NULL);
	text_done(&own);
}

int command_doctor(int argc, char **argv)
{
	static struct diagnosis d;
	struct style style;
	struct text out = { 0 };
	struct bytes rest;
	bool is_json = false, is_seen = true;
	int status = read_options(argc, argv, &is_json);
	const char *word;

	if (status >= 0)
		return status;
	word = argv[optind];
	if (word && pid_of(word))
		is_seen = doctor_process(&d, pid_of(word));
	else
		look_here(&d, word);
	style_detect(&style, STDOUT_FILENO);
	if (is_json)
		diagnosis_print_json(&out, &d);
	else
		diagnosis_print(&out, &style, &d);
	rest = (struct bytes){ out.ptr, out.len };
	status = !is_seen ? EXIT_UNSEEN : d.is_bad ? EXIT_SICK : EXIT_SUCCESS;
	if (output_write(STDOUT_FILENO, -1, &rest, -1) != OUTPUT_DONE)
		status = EXIT_SICK;
	text_done(&out);
	diagnosis_done(&d);
	return status;
}
