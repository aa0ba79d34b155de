/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROGRAM_H
#define PROGRAM_H
/*
 * Can this program be preloaded?  Found as execvp() finds it, followed through scripts to what will
 * really be loaded, and told in one line if not.
 */
#include <limits.h>
#include <stdbool.h>

enum program_verdict {
	PROGRAM_FINE, /* as far as one can see */
	PROGRAM_MISSING,
	PROGRAM_NOT_EXECUTABLE,
	PROGRAM_STATIC,
	PROGRAM_MUSL,
	PROGRAM_OTHER_LOADER,
	PROGRAM_32_BIT,
	PROGRAM_OTHER_MACHINE,
	PROGRAM_PRIVILEGED, /* setuid, setgid, or with capabilities of its own */
	PROGRAM_GO,
	PROGRAM_REFUSES, /* gives what it starts another environment, or another place */
};

struct program {
	enum program_verdict verdict;
	char path[PATH_MAX]; /* of what the verdict is about: the program or an interpreter */
	char detail[PATH_MAX];
	bool is_script; /* path is the interpreter of one */
	bool has_asan; /* gcc's AddressSanitizer as a library, which wants to be the first object */
};

/* word: as in a shell.  Reads files, and changes nothing. */
void program_judge(struct program *ret, const char *word);

/* What is in the way and what to do about it, behind the path; PROGRAM_FINE has none. */
const char *program_why(const struct program *p);

/* 127 if it is missing, else 126. */
int program_exit_status(const struct program *p);

#endif
