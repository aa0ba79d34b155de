/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that libc reads, writes and closes by itself.  A FILE that calls our hooks instead
 * (fopencookie) would be another kind of FILE; so nothing is seen, and nothing is told of it.
 */
#include "conn.h"
#include "fd_table.h"
#include "hook.h"

EXPORT FILE *fdopen(int fd, const char *mode)
{
	FILE *f = REAL(fdopen)(fd, mode);

	if (UNLIKELY(fd_is_ours(fd)) && f)
		OBSERVE_OR_BLIND(fd, conn_given_away(fd));
	return f;
}

static void written(int fd)
{
	if (UNLIKELY(fd_is_ours(fd)))
		OBSERVE_OR_BLIND(fd, conn_make_blind(fd));
}

EXPORT int vdprintf(int fd, const char *restrict format, va_list args)
{
	written(fd);
	return REAL(vdprintf)(fd, format, args);
}

EXPORT int __vdprintf_chk(int fd, int flag, const char *format, va_list args)
{
	written(fd);
	return REAL(__vdprintf_chk)(fd, flag, format, args);
}

EXPORT int dprintf(int fd, const char *restrict format, ...)
{
	va_list args;
	int n;

	written(fd);
	va_start(args, format);
	n = REAL(vdprintf)(fd, format, args);
	va_end(args);
	return n;
}

EXPORT int __dprintf_chk(int fd, int flag, const char *format, ...)
{
	va_list args;
	int n;

	written(fd);
	va_start(args, format);
	n = REAL(__vdprintf_chk)(fd, flag, format, args);
	va_end(args);
	return n;
}
