/* SPDX-License-Identifier: Apache-2.0 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "compiler.h"

#ifndef INTERSPAN_VERSION
#define INTERSPAN_VERSION "0.1.0"
#endif

static const struct command {
	const char *word;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{ "run", command_run, "run a program with tracing" },
	{ "view", command_view, "receive traces and print them" },
	{ "doctor", command_doctor, "why there is no data" },
	{ "status", command_status, "what became of the spans of a process" },
};

static void print_help(FILE *to)
{
	fputs("Usage: interspan COMMAND [OPTIONS]\n"
	      "Distributed traces of unmodified programs.\n\n",
	      to);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		fprintf(to, "  %-10s %s\n", commands[i].word, commands[i].help);
	fputs("\n  --version  print the version\n"
	      "  --help     print this; interspan COMMAND --help tells more\n",
	      to);
}

int main(int argc, char **argv)
{
	setlocale(LC_CTYPE, "");
	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("interspan " INTERSPAN_VERSION);
		return EXIT_SUCCESS;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_help(stdout);
		return EXIT_SUCCESS;
	}
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(argv[1], commands[i].word) == 0)
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "interspan: no command '%s', see interspan --help\n", argv[1]);
	return EXIT_USAGE;
}
