/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUN_OPTIONS_H
#define RUN_OPTIONS_H
#include <stdbool.h>

#include "compiler.h"

/* As env(1) and nice(1): what is not the program's own status. */
#define EXIT_OURS 125

enum run_env { RUN_ENV_NONE, RUN_ENV_SHELL, RUN_ENV_SYSTEMD };

struct run_options {
	const char *service;
	const char *endpoint;
	const char *sample; /* 0 to 1 */
	const char *log;
	enum run_env env;
	bool is_view;
	bool is_forced;
	char **program; /* and its arguments; with env there is none */
};

/* Returns an exit status, or -1: go on. */
MUST_USE int run_options_read(struct run_options *ret, int argc, char **argv);

/* What is to be in the program's environment: NULL value means taken out of it. */
struct run_variable {
	const char *name;
	const char *value;
};

#define RUN_VARIABLES_MAX 12

/*
 * Without LD_PRELOAD.  viewer_url: where --view listens, or NULL.  Borrows all; returns how many.
 */
unsigned run_variables(const struct run_options *o, const char *viewer_url,
		       struct run_variable ret[RUN_VARIABLES_MAX]);

/* Prints them, with LD_PRELOAD for this object, in the form that o->env says. */
void run_env_print(const struct run_options *o, const char *object);

#endif
