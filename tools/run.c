/* SPDX-License-Identifier: Apache-2.0 */
/* interspan run: sets the environment and becomes the program. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "preload_path.h"

/* As env(1) and nice(1): what is not the program's own status. */
#define EXIT_OURS 125
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

struct run {
	const char *service;
	const char *endpoint;
};

static void print_help(void)
{
	puts("Usage: interspan run [OPTIONS] [--] PROGRAM [ARGUMENTS]\n"
	     "Runs PROGRAM with libinterspan.so preloaded.\n\n"
	     "  --service NAME   name of the service (OTEL_SERVICE_NAME)\n"
	     "  --endpoint URL   where traces go (OTEL_EXPORTER_OTLP_ENDPOINT);\n"
	     "                   http://localhost:4318 unless the environment says otherwise\n"
	     "  --help           print this\n\n"
	     "An LD_PRELOAD that is there already is kept, ours is put behind it.\n"
	     "The exit status is PROGRAM's; 125 if interspan itself failed, 126 if PROGRAM\n"
	     "cannot be executed, 127 if there is none.");
}

/* Returns an exit status, or -1: go on, the program is at argv[optind]. */
static int read_options(struct run *run, int argc, char **argv)
{
	static const struct option options[] = {
		{ "service", required_argument, NULL, 's' },
		{ "endpoint", required_argument, NULL, 'e' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	opterr = 0;
	optind = 1;
	/* "+": the program's options are not ours. */
	while ((c = getopt_long(argc, argv, "+:h", options, NULL)) != -1)
		switch (c) {
		case 's':
			run->service = optarg;
			break;
		case 'e':
			run->endpoint = optarg;
			break;
		case 'h':
			print_help();
			return EXIT_SUCCESS;
		case ':':
			command_error("run", "%s needs a value", argv[optind - 1]);
			return EXIT_OURS;
		default:
			command_error("run", "no option %s, see interspan run --help",
				      argv[optind - 1]);
			return EXIT_OURS;
		}
	return -1;
}

static bool is_usable(const struct run *run, int argc)
{
	if (run->service && !*run->service)
		command_error("run", "--service needs a name that is not empty");
	else if (run->endpoint && strncmp(run->endpoint, "http://", 7) != 0 &&
		 strncmp(run->endpoint, "https://", 8) != 0)
		command_error("run", "--endpoint must begin with http:// or https://: %s",
			      run->endpoint);
	else if (optind >= argc)
		command_error("run", "no program given, see interspan run --help");
	else
		return true;
	return false;
}

static bool set_environment(const struct run *run)
{
	char object[PRELOAD_PATH_MAX];
	char *preload;
	bool is_set;

	if (!preload_path_find(object, sizeof(object))) {
		command_error("run",
			      "libinterspan.so is neither beside this program nor installed");
		return false;
	}
	if (strpbrk(object, ": \t\n")) {
		command_error("run", "LD_PRELOAD cannot hold a path with a colon or space: %s",
			      object);
		return false;
	}
	preload = preload_path_append(getenv("LD_PRELOAD"), object);
	is_set = preload && setenv("LD_PRELOAD", preload, 1) == 0 &&
		 (!run->service || setenv("OTEL_SERVICE_NAME", run->service, 1) == 0) &&
		 (!run->endpoint || setenv("OTEL_EXPORTER_OTLP_ENDPOINT", run->endpoint, 1) == 0);
	free(preload);
	if (!is_set)
		command_error("run", "cannot set the environment: %s", strerror(errno));
	return is_set;
}

int command_run(int argc, char **argv)
{
	struct run run = { 0 };
	int status = read_options(&run, argc, argv);

	if (status >= 0)
		return status;
	if (!is_usable(&run, argc) || !set_environment(&run))
		return EXIT_OURS;
	execvp(argv[optind], argv + optind);
	status = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
	command_error("run", "%s: %s", argv[optind], strerror(errno));
	return status;
}
