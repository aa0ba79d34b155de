/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <stdarg.h>
#include <stdio.h>

void command_error(const char *word, const char *format, ...)
{
	va_list args;

	flockfile(stderr);
	fprintf(stderr, "interspan %s: ", word);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	funlockfile(stderr);
}
