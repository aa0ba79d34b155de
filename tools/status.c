/* SPDX-License-Identifier: Apache-2.0 */
/* interspan status: what the processes that are traced count, read from outside. */
#include <dirent.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "status_show.h"

struct status {
	bool is_all;
	bool is_json;
	bool is_watched;
	struct style style;
	struct text out;
	unsigned found; /* counters, of so many exporters */
};

static void print_help(void)
{
	puts("Usage: interspan status [OPTIONS] PID...\n"
	     "       interspan status [OPTIONS] --all\n"
	     "What became of the spans and connections of a process that is traced.  It is not\n"
	     "stopped, signalled or traced for this; it must be yours.\n\n"
	     "  --all       every process of yours that delivers spans\n"
	     "  --json      one object a line: {pid, answered, exporter, result, processes, tls}, "
	     "or\n"
	     "              {pid, error}\n"
	     "  --watch     again every second\n"
	     "  --help      print this\n\n"
	     "The exit status is 1 if there was nothing to read.");
}

/* Returns an exit status, or -1: go on. */
static int read_options(struct status *s, int argc, char **argv)
{
	static const struct option options[] = {
		{ "all", no_argument, NULL, 'a' },
		{ "json", no_argument, NULL, 'j' },
		{ "watch", no_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	opterr = 0;
	optind = 1;
	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1)
		switch (c) {
		case 'a':
			s->is_all = true;
			break;
		case 'j':
			s->is_json = true;
			break;
		case 'w':
			s->is_watched = true;
			break;
		case 'h':
			print_help();
			return EXIT_SUCCESS;
		default:
			command_error("status", "no option %s", argv[optind - 1]);
			return EXIT_USAGE;
		}
	if (s->is_all == (optind < argc)) {
		command_error("status", "name processes by number, or --all");
		return EXIT_USAGE;
	}
	return -1;
}

static pid_t pid_of(const char *text)
{
	char *end;
	long pid = strtol(text, &end, 10);

	return *text && !*end && pid > 0 && pid <= INT32_MAX ? (pid_t)pid : 0;
}

/* Of pid, 0: all, as far as told's exporter delivers for it. */
static bool show(struct status *s, const struct status_told *told, pid_t pid)
{
	bool is_there = s->is_json ? status_show_json(&s->out, told, pid) :
				     status_show(&s->out, &s->style, told, pid);

	s->found += is_there;
	return is_there;
}

static void show_none(struct status *s, pid_t pid, enum status_kind kind)
{
	if (s->is_json)
		status_show_none_json(&s->out, pid, kind);
	else
		status_show_none(&s->out, &s->style, pid, kind);
}

/* Every exporter that can be read; wanted: stop at the one that delivers for that process. */
static bool look_everywhere(struct status *s, pid_t wanted)
{
	DIR *dir = opendir("/proc");
	bool is_found = false;
	struct dirent *d;

	while (dir && !is_found && (d = readdir(dir))) {
		pid_t pid = pid_of(d->d_name);
		struct status_told told;

		if (!pid || status_read(pid, &told) != STATUS_TOLD)
			continue;
		is_found = show(s, &told, wanted) && wanted;
		free(told.text);
	}
	if (dir)
		closedir(dir);
	return is_found;
}

static void look(struct status *s, pid_t pid)
{
	struct status_told told;
	enum status_kind kind = status_read(pid, &told);

	if (kind == STATUS_TOLD) {
		show(s, &told, 0);
		free(told.text);
	} else if (kind != STATUS_NO_EXPORTER || !look_everywhere(s, pid)) {
		show_none(s, pid, kind);
	}
}

static bool write_out(struct status *s)
{
	bool is_written;

	if (s->is_watched && s->style.has_color)
		fputs("\033[H\033[2J", stdout);
	is_written = fwrite(s->out.ptr, 1, s->out.len, stdout) == s->out.len &&
		     fflush(stdout) == 0 && !s->out.is_short;
	text_clear(&s->out);
	return is_written;
}

/* False: nothing more can be written. */
static bool once(struct status *s, char **pids)
{
	s->found = 0;
	style_detect(&s->style, STDOUT_FILENO);
	if (s->is_all)
		look_everywhere(s, 0);
	for (; *pids; pids++)
		look(s, pid_of(*pids));
	return write_out(s);
}

int command_status(int argc, char **argv)
{
	struct status s = { .is_all = false };
	int status = read_options(&s, argc, argv);
	bool is_written;

	if (status >= 0)
		return status;
	for (int i = optind; i < argc; i++)
		if (!pid_of(argv[i])) {
			command_error("status", "%s is no number of a process", argv[i]);
			return EXIT_USAGE;
		}
	is_written = once(&s, argv + optind);
	while (s.is_watched && is_written) {
		sleep(1);
		is_written = once(&s, argv + optind);
	}
	if (s.is_all && !s.found && !s.is_json)
		command_error("status", "no process of yours delivers spans");
	text_done(&s.out);
	return s.found && is_written ? EXIT_SUCCESS : EXIT_FAILURE;
}
