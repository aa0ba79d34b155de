/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMAND_H
#define COMMAND_H
/* The words of `interspan WORD`.  argv[0] is the word; the result is the exit status. */
int command_run(int argc, char **argv);
int command_view(int argc, char **argv);
int command_doctor(int argc, char **argv);
int command_status(int argc, char **argv);

/* One line on standard error, "interspan WORD: ...". */
__attribute__((format(printf, 2, 3))) void command_error(const char *word, const char *format, ...);

#define EXIT_USAGE 2

#endif
