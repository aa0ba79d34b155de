/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUN_VIEW_H
#define RUN_VIEW_H
#include "run_options.h"

/*
 * Starts the program, receives what it sends, and tells about it on standard error when it has
 * ended.  Returns the exit status: the program's, as a shell has it.
 */
int run_view(const struct run_options *o, const char *object);

/* Becomes the program (run.c); returns an exit status only if that failed. */
int run_become(const struct run_options *o, const char *object, const char *viewer_url);

#endif
