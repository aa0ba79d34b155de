/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded, it makes each writev() later by LATE_NS of the processor's time, and does nothing
 * else: a cost that is known, by which the instrument is judged.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static uint64_t late_ns;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

__attribute__((constructor)) static void begin(void)
{
	const char *value = getenv("LATE_NS");

	late_ns = value ? strtoull(value, NULL, 10) : 0;
}

ssize_t writev(int fd, const struct iovec *iov, int count)
{
	uint64_t until = now_ns() + late_ns;

	while (now_ns() < until)
		;
	return syscall(SYS_writev, fd, iov, count);
}
