/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_closes PORT HOW ROUNDS: each round makes a request, closes in one of the ways that there are
 * whatever descriptors may be open, as daemons do, and writes files, in which nothing but its own
 * may be found.  HOW "none" closes nothing.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdbool.h>
#include <sys/syscall.h>

#include "http_get.h"

void closefrom(int first);
int close_range(unsigned first, unsigned last, int flags);

#define FILES 6
#define BLOCK 4096

static void by_none(void)
{
}

static void by_closefrom(void)
{
	closefrom(3);
}

static void by_loop(void)
{
	for (int fd = 3; fd < 256; fd++)
		close(fd);
}

static void by_loop_raw(void)
{
	for (int fd = 3; fd < 256; fd++)
		syscall(SYS_close, fd);
}

static void by_range(void)
{
	close_range(3, ~0u, 0);
}

static void by_range_raw(void)
{
	syscall(SYS_close_range, 3, ~0u, 0);
}

static void by_dup2(void)
{
	int nothing = open("/dev/null", O_RDWR);

	for (int fd = 3; fd < 256; fd++)
		dup2(nothing, fd);
	for (int fd = 3; fd < 256; fd++)
		close(fd);
}

/* Written in pieces, so that somebody else's may come between them. */
static bool file_write(int number)
{
	char name[32], text[BLOCK], found[BLOCK + 1];
	bool is_good = true;
	int fd;

	snprintf(name, sizeof(name), "file%d", number);
	memset(text, 'a' + number, sizeof(text));
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	for (int i = 0; i < BLOCK; i += 512)
		is_good &= write(fd, text + i, 512) == 512;
	is_good &= pread(fd, found, sizeof(found), 0) == BLOCK && !memcmp(found, text, BLOCK);
	return is_good; /* and stays open: the next round closes it */
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*close_all)(void);
	} ways[] = {
		{ "none", by_none },   { "closefrom", by_closefrom },
		{ "loop", by_loop },   { "loop-raw", by_loop_raw },
		{ "range", by_range }, { "range-raw", by_range_raw },
		{ "dup2", by_dup2 },
	};
	int answered = 0, bad = 0;

	if (argc < 4)
		return 2;
	for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++) {
		if (strcmp(argv[2], ways[w].name) != 0)
			continue;
		for (int i = 0; i < atoi(argv[3]); i++) {
			answered += http_get(atoi(argv[1]), "/") == 204;
			ways[w].close_all();
			for (int f = 0; f < FILES; f++)
				bad += !file_write(f);
		}
	}
	printf("answered %d bad %d\n", answered, bad);
	return 0;
}
