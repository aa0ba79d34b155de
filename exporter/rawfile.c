/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As much of stdio as c-ares needs to read resolv.conf, nsswitch.conf and hosts: libc's fopen()
 * takes a buffer from the host's malloc, and the host's first malloc in a thread reserves 64 MiB.
 * A FILE here is a struct of ours, and only ever seen by functions of ours.
 */
#include <errno.h>
#include <stdbool.h>

#include "alloc.h"
#include "rawsys.h"
#include "wrap.h"

struct raw_file {
	int fd;
	bool has_failed;
	size_t at;
	size_t len;
	char buf[4096];
};

static struct raw_file *raw_file(FILE *f)
{
	return (struct raw_file *)(void *)f;
}

/* For reading, whatever the mode. */
FILE *__wrap_fopen(const char *restrict path, const char *restrict mode)
{
	struct raw_file *f = pool_malloc(sizeof(*f));
	long fd;

	(void)mode;
	if (!f)
		return NULL;
	fd = raw_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
	if (fd < 0) {
		pool_free(f);
		errno = (int)-fd;
		return NULL;
	}
	f->fd = (int)fd;
	f->has_failed = false;
	f->at = 0;
	f->len = 0;
	return (FILE *)(void *)f;
}

int __wrap_fclose(FILE *file)
{
	struct raw_file *f = raw_file(file);

	raw_close(f->fd);
	pool_free(f);
	return 0;
}

/* False: the end, or an error. */
static bool refill(struct raw_file *f)
{
	long n = raw_read(f->fd, f->buf, sizeof(f->buf));

	f->at = 0;
	f->len = n > 0 ? (size_t)n : 0;
	f->has_failed |= n < 0;
	return n > 0;
}

char *__wrap_fgets(char *restrict to, int size, FILE *restrict file)
{
	struct raw_file *f = raw_file(file);
	int n = 0;

	while (n < size - 1 && (f->at < f->len || refill(f))) {
		to[n] = f->buf[f->at++];
		if (to[n++] == '\n')
			break;
	}
	if (n == 0)
		return NULL;
	to[n] = '\0';
	return to;
}

size_t __wrap_fread(void *restrict to, size_t size, size_t n, FILE *restrict file)
{
	struct raw_file *f = raw_file(file);
	char *at = to;
	size_t left = size * n;

	while (left && (f->at < f->len || refill(f))) {
		*at++ = f->buf[f->at++];
		left--;
	}
	return size ? (size_t)(at - (char *)to) / size : 0;
}

int __wrap_ferror(FILE *file)
{
	return raw_file(file)->has_failed;
}

int __wrap_setvbuf(FILE *restrict file, char *restrict buf, int mode, size_t size)
{
	(void)file;
	(void)buf;
	(void)mode;
	(void)size;
	return 0;
}

FILE *__wrap_stdin;
FILE *__wrap_stdout;
FILE *__wrap_stderr;

size_t __wrap_fwrite(const void *restrict from, size_t size, size_t n, FILE *restrict file)
{
	(void)from;
	(void)size;
	(void)n;
	(void)file;
	return 0;
}

int __wrap_fputc(int c, FILE *file)
{
	(void)c;
	(void)file;
	return EOF;
}

int __wrap_fseek(FILE *file, long at, int whence)
{
	(void)file;
	(void)at;
	(void)whence;
	return -1;
}
