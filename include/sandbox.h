/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SANDBOX_H
#define SANDBOX_H
/*
 * Filters of system calls.  Who installs one has listed the calls of the program, not ours, and the
 * usual answer to others is SIGSYS.  So the filter is asked, before it is in force, about each call
 * that we make (syscalls.def).  That it could say no is enough: what a filter makes of the
 * arguments of a call is not looked into.
 *
 * A filter that was there when the program started cannot be asked: docs/syscalls.md.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sock_filter;

enum sandbox {
	SANDBOX_OPEN,      /* all that we do goes on */
	SANDBOX_NO_THREAD, /* no thread of ours: what is told goes into the store, for a relative */
	SANDBOX_CLOSED,    /* nothing at all any more */
};

/* Of these instructions, as the kernel runs them.  Pure. */
enum sandbox sandbox_judge(const struct sock_filter *code, size_t n);

/*
 * Of a struct sock_fprog, which may be anywhere, and no filter at all: then the kernel will say so,
 * and the sandbox is open.
 */
enum sandbox sandbox_of(const void *program);

/*
 * The filter outlives an exec: from now on the programs that this process and its children start
 * are told, by OTEL_INTERSPAN_ENABLED=false, to be as without us.
 */
void sandbox_outlives_exec(void);

/*
 * The environment for such a program: envp, but in a sandbox.  Borrows; there is one such
 * copy in a process, and who does not get it (two threads at once, no room) gets envp.
 */
char *const *sandbox_env(char *const *envp);

#endif
