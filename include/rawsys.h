/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RAWSYS_H
#define RAWSYS_H
/*
 * System calls without libc.  libc's read, write, close and so on are names that we interpose, its
 * wrappers are cancellation points and set errno, and the newer ones do not exist in an old libc:
 * none of that may happen inside a hook.  These return what the kernel returns, -errno included,
 * and touch nothing else.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

#include "compiler.h"

#if defined(__x86_64__) && !defined(__ILP32__)

static ALWAYS_INLINE long raw_syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory", "cc");
	return ret;
}

static ALWAYS_INLINE long raw_syscall3(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory", "cc");
	return ret;
}

#elif defined(__aarch64__) && defined(__LP64__)

static ALWAYS_INLINE long raw_syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory", "cc");
	return x0;
}

static ALWAYS_INLINE long raw_syscall3(long nr, long a, long b, long c)
{
	return raw_syscall6(nr, a, b, c, 0, 0, 0);
}

#else
#error "interspan knows the system calls of x86-64 and aarch64 only"
#endif

/* Did a call that returns an address fail?  The kernel's errors are -4095 to -1. */
static inline bool raw_is_error(long ret)
{
	return (unsigned long)ret > -4096UL;
}

static inline long raw_read(int fd, void *buf, size_t len)
{
	return raw_syscall3(SYS_read, fd, (long)buf, (long)len);
}

static inline long raw_write(int fd, const void *buf, size_t len)
{
	return raw_syscall3(SYS_write, fd, (long)buf, (long)len);
}

/* aarch64 has no open(2); AT_FDCWD makes this one the same. */
static inline long raw_open(const char *path, int flags, unsigned int mode)
{
	return raw_syscall6(SYS_openat, AT_FDCWD, (long)path, flags, (long)mode, 0, 0);
}

static inline long raw_close(int fd)
{
	return raw_syscall3(SYS_close, fd, 0, 0);
}

static inline long raw_readlink(const char *path, char *buf, size_t cap)
{
	return raw_syscall6(SYS_readlinkat, AT_FDCWD, (long)path, (long)buf, (long)cap, 0, 0);
}

static inline long raw_getpid(void)
{
	return raw_syscall3(SYS_getpid, 0, 0, 0);
}

static inline long raw_gettid(void)
{
	return raw_syscall3(SYS_gettid, 0, 0, 0);
}

static inline long raw_getrandom(void *buf, size_t len, unsigned int flags)
{
	return raw_syscall3(SYS_getrandom, (long)buf, (long)len, (long)flags);
}

static inline long raw_mmap(void *at, size_t len, int prot, int flags, int fd, long offset)
{
	return raw_syscall6(SYS_mmap, (long)at, (long)len, prot, flags, fd, offset);
}

static inline long raw_munmap(void *at, size_t len)
{
	return raw_syscall3(SYS_munmap, (long)at, (long)len, 0);
}

static inline long raw_madvise(void *at, size_t len, int advice)
{
	return raw_syscall3(SYS_madvise, (long)at, (long)len, advice);
}

/* op with or without FUTEX_PRIVATE_FLAG; timeout NULL: none. */
static inline long raw_futex(const volatile void *word, int op, uint32_t value,
			     const struct timespec *timeout)
{
	return raw_syscall6(SYS_futex, (long)word, op, (long)value, (long)timeout, 0, 0);
}

#endif
