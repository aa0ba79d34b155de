/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interspan run: sets the environment and becomes the program; with --view it starts it, and waits.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "preload_path.h"
#include "program.h"
#include "run_options.h"
#include "run_view.h"

static struct program judged;

static bool find_object(char *ret, size_t size)
{
	if (!preload_path_find(ret, size)) {
		command_error("run",
			      "libinterspan.so is neither beside this program nor installed");
		return false;
	}
	if (strpbrk(ret, ": \t\n'")) {
		command_error("run", "LD_PRELOAD cannot hold a path with a colon or space: %s",
			      ret);
		return false;
	}
	return true;
}

/*
 * gcc's AddressSanitizer ends a program in which another object comes before it, unless it is told.
 */
static bool set_asan_options(void)
{
	static const char option[] = "verify_asan_link_order";
	const char *before = getenv("ASAN_OPTIONS");
	char *list;
	bool is_set;

	if (!judged.has_asan || (before && strstr(before, option)))
		return true;
	if (asprintf(&list, "%s%s%s=0", before ? before : "", before && *before ? ":" : "",
		     option) < 0)
		return false;
	is_set = setenv("ASAN_OPTIONS", list, 1) == 0;
	free(list);
	return is_set;
}

static bool set_environment(const struct run_options *o, const char *object, const char *viewer_url)
{
	struct run_variable list[RUN_VARIABLES_MAX];
	unsigned n = run_variables(o, viewer_url, list);
	char *preload = preload_path_append(getenv("LD_PRELOAD"), object);
	bool is_set = preload && setenv("LD_PRELOAD", preload, 1) == 0 && set_asan_options();

	for (unsigned i = 0; i < n && is_set; i++)
		is_set = (list[i].value ? setenv(list[i].name, list[i].value, 1) :
					  unsetenv(list[i].name)) == 0;
	free(preload);
	if (!is_set)
		command_error("run", "cannot set the environment: %s", strerror(errno));
	return is_set;
}

int run_become(const struct run_options *o, const char *object, const char *viewer_url)
{
	if (!set_environment(o, object, viewer_url))
		return EXIT_OURS;
	execvp(o->program[0], o->program);
	command_error("run", "%s: %s", o->program[0], strerror(errno));
	return errno == ENOENT ? 127 : 126;
}

/* One line about a program of which nothing would be seen; an exit status, or -1: go on. */
static int judge(const struct run_options *o)
{
	const struct program *p = &judged;
	bool is_there;

	program_judge(&judged, o->program[0]);
	is_there = p->verdict != PROGRAM_MISSING && p->verdict != PROGRAM_NOT_EXECUTABLE;
	if (p->verdict == PROGRAM_FINE || (o->is_forced && is_there))
		return -1;
	if (!is_there)
		command_error("run", p->is_script ? "%s: its interpreter %s: %s" : "%s%.0s: %s",
			      o->program[0], p->path, program_why(p));
	else if (p->is_script)
		command_error("run", "%s: its interpreter %s %s (--force runs it all the same)",
			      o->program[0], p->path, program_why(p));
	else
		command_error("run", "%s %s (--force runs it all the same)", p->path,
			      program_why(p));
	return program_exit_status(p);
}

int command_run(int argc, char **argv)
{
	struct run_options o;
	char object[PRELOAD_PATH_MAX];
	int status = run_options_read(&o, argc, argv);

	if (status >= 0)
		return status;
	if (!o.env)
		status = judge(&o);
	if (status >= 0)
		return status;
	if (!find_object(object, sizeof(object)))
		return EXIT_OURS;
	if (o.env) {
		run_env_print(&o, object);
		return EXIT_SUCCESS;
	}
	return o.is_view ? run_view(&o, object) : run_become(&o, object, NULL);
}
