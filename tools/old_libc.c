/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The linker sends these names here (ld --wrap): libc's own would be bound by versions that came
 * later than GLIBC_2.17, and a program that is built on a new system did not start on an old one.
 * scripts/check-imports tells when another name is wanted.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "compiler.h"

/* Since 2.33; before, stat() was __xstat(), which the headers no longer have. */
int __wrap_stat(const char *path, struct stat *ret);
int __wrap_fstat(int fd, struct stat *ret);
/* Since 2.32 in libc. */
int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *ret_old);
/* Since 2.25. */
ssize_t __wrap_getrandom(void *to, size_t len, unsigned flags);

/* struct stat is the kernel's on 64-bit machines. */
int __wrap_stat(const char *path, struct stat *ret)
{
	return (int)syscall(SYS_newfstatat, AT_FDCWD, path, ret, 0);
}

int __wrap_fstat(int fd, struct stat *ret)
{
	return (int)syscall(SYS_newfstatat, fd, "", ret, AT_EMPTY_PATH);
}

/* The kernel's mask is the thread's; sigprocmask() is no more than that. */
int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *ret_old)
{
	return sigprocmask(how, set, ret_old) == 0 ? 0 : errno;
}

ssize_t __wrap_getrandom(void *to, size_t len, unsigned flags)
{
	return (ssize_t)syscall(SYS_getrandom, to, len, flags);
}

#ifdef __x86_64__
#define OLDEST "GLIBC_2.2.5"
#else
#define OLDEST "GLIBC_2.17"
#endif

/*
 * What the start file calls.  Since 2.34 libc runs the constructors of a program by itself, before
 * it did so by init: the program has none.
 */
int old_libc_start_main(int (*program)(int, char **, char **), int argc, char **argv,
			void (*init)(void), void (*fini)(void), void (*loader_fini)(void),
			void *stack_end);
__asm__(".symver old_libc_start_main, __libc_start_main@" OLDEST);
int __wrap___libc_start_main(int (*program)(int, char **, char **), int argc, char **argv,
			     void (*init)(void), void (*fini)(void), void (*loader_fini)(void),
			     void *stack_end);

int __wrap___libc_start_main(int (*program)(int, char **, char **), int argc, char **argv,
			     void (*init)(void), void (*fini)(void), void (*loader_fini)(void),
			     void *stack_end)
{
	return old_libc_start_main(program, argc, argv, init, fini, loader_fini, stack_end);
}
