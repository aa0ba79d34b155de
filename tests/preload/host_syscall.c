/* SPDX-License-Identifier: Apache-2.0 */
/* syscall(3) with all its arguments, and with numbers that are none. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static void check(int line, int holds)
{
	if (!holds) {
		fprintf(stderr, "line %d: errno %d\n", line, errno);
		exit(1);
	}
}
#define CHECK(what) check(__LINE__, (what))

/*
 * The sixth argument travels on the stack: 4096 or 8192 of a file that has its offset in each page.
 */
static void six_arguments(void)
{
	int fd = (int)syscall(SYS_memfd_create, "pages", 0);
	long page = sysconf(_SC_PAGESIZE);

	CHECK(fd >= 0);
	for (long i = 0; i < 4; i++)
		CHECK(pwrite(fd, &i, sizeof(i), i * page) == sizeof(i));
	for (long i = 0; i < 4; i++) {
		long at = syscall(SYS_mmap, NULL, page, PROT_READ, MAP_PRIVATE, fd, i * page);

		CHECK(at != -1);
		CHECK(*(long *)at == i);
		munmap((void *)at, (size_t)page);
	}
	CHECK(syscall(SYS_close, fd) == 0);
	CHECK(fcntl(fd, F_GETFD) == -1 && errno == EBADF);
}

static void errors(void)
{
	errno = 0;
	CHECK(syscall(-1) == -1 && errno == ENOSYS);
	errno = 0;
	CHECK(syscall(100000) == -1 && errno == ENOSYS);
	errno = 0;
	CHECK(syscall(SYS_close, -1) == -1 && errno == EBADF);
	errno = 17;
	CHECK(syscall(SYS_getpid) == getpid() && errno == 17);
	/* The kernel looks at the lower half of the number only. */
	CHECK(syscall(SYS_getpid | 1L << 32) == getpid());
}

static void close_by_number(void)
{
	int fd = open("/dev/null", O_RDONLY);

	CHECK(fd >= 0);
	CHECK(syscall(SYS_close | 1L << 32, fd) == 0);
	CHECK(fcntl(fd, F_GETFD) == -1);
	CHECK(dup2(0, 50) == 50 && dup2(0, 51) == 51);
	CHECK(syscall(SYS_close_range, 50u, 51u, 0u) == 0);
	CHECK(fcntl(50, F_GETFD) == -1 && fcntl(51, F_GETFD) == -1);
}

int main(void)
{
	six_arguments();
	errors();
	close_by_number();
	puts("syscall: ok");
	fflush(stdout);
	syscall(SYS_exit_group, 5);
	return 6;
}
