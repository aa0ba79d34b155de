/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fuzzer of SQL checks, once, of each statement in files, and of what is cut out of their
 * middle: FILE ...
 */
#include <stdio.h>

#include "fuzz_sql.c"

static size_t statements, bytes;

static void check_one(const char *text, size_t len)
{
	/* The input lies at the end of its memory. */
	uint8_t *data = malloc(len + 1);

	memcpy(data + 1, text, len);
	for (unsigned int b = 0; b < 3; b++) {
		data[0] = (uint8_t)b;
		LLVMFuzzerTestOneInput(data, len + 1);
		data[0] = (uint8_t)(64 + (b + 2) % 3); /* the same b, and parameters: 64 % 3 is 1 */
		LLVMFuzzerTestOneInput(data, len + 1);
	}
	free(data);
	statements++;
	bytes += len;
}

static void check_each(struct bytes text)
{
	struct sql_lexer l = sql_lexer(text, SQL_BACKSLASH_PLAIN);
	const char *from = text.ptr;
	struct sql_token t;

	do {
		t = sql_next(&l);
		if (t.kind != SQL_STOP && !(t.kind == SQL_SIGN && *t.text.ptr == ';'))
			continue;
		if (l.at - from <= SQL_INPUT_MAX)
			check_one(from, (size_t)(l.at - from));
		from = l.at;
	} while (t.kind != SQL_STOP);
}

int main(int argc, char **argv)
{
	static char text[1 << 22];

	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "r");
		size_t len = f ? fread(text, 1, sizeof(text), f) : 0;

		if (f)
			fclose(f);
		check_each((struct bytes){ text, len });
		for (size_t at = 0; at < len; at += 1777)
			check_one(text + at, len - at < 3000 ? len - at : 3000);
	}
	printf("%zu statements, %zu bytes\n", statements, bytes);
	return 0;
}
