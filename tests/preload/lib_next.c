/* SPDX-License-Identifier: Apache-2.0 */
/* Another preload, behind interspan: interposes write() itself, and must go on being called. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

ssize_t write(int fd, const void *buf, size_t len)
{
	static ssize_t (*next)(int, const void *, size_t);

	if (!next)
		next = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
	if (len == 5 && memcmp(buf, "hello", 5) == 0)
		return next(fd, "HELLO", 5);
	return next(fd, buf, len);
}
