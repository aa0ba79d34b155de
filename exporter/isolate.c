/* SPDX-License-Identifier: Apache-2.0 */
#include "isolate.h"

#include <linux/close_range.h>
#include <linux/sched.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "rawsys.h"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#define LAST_FD (~0u)

struct dirent64_head {
	uint64_t inode;
	int64_t offset;
	uint16_t len;
	uint8_t type;
	char name[];
};

/* The number that a name in /proc/.../fd stands for; -1 for "." and "..". */
static int fd_of_name(const char *name)
{
	int fd = 0;

	for (; *name; name++) {
		if (*name < '0' || *name > '9')
			return -1;
		fd = fd * 10 + (*name - '0');
	}
	return fd;
}

/*
 * Closing while reading a directory may skip entries: the caller repeats until nothing was closed.
 */
static int close_listed(int dir, int first)
{
	_Alignas(8) char buf[2048];
	long n;
	int closed = 0;

	while ((n = raw_syscall3(SYS_getdents64, dir, (long)buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n;) {
			struct dirent64_head *d = (struct dirent64_head *)(buf + at);
			int fd = fd_of_name(d->name);

			if (fd >= first && fd != dir)
				closed += raw_close(fd) == 0;
			at += d->len;
		}
	}
	return closed;
}

/*
 * Without /proc: every number that the limit allows; descriptors above a lowered limit stay open.
 */
static void close_counted(int first)
{
	struct rlimit limit = { 1024, 1024 };

	raw_syscall6(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&limit, 0, 0);
	if (limit.rlim_max > 1u << 20)
		limit.rlim_max = 1u << 20;
	for (int fd = first; fd < (int)limit.rlim_max; fd++)
		raw_close(fd);
}

/* Before Linux 5.9: the table is ours already. */
static void close_all_from(int first)
{
	int closed;

	if (raw_syscall3(SYS_close_range, first, LAST_FD, 0) == 0)
		return;
	do {
		int dir = (int)raw_open("/proc/thread-self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC,
					0);

		if (dir < 0) {
			close_counted(first);
			return;
		}
		closed = close_listed(dir, first);
		raw_close(dir);
	} while (closed);
}

static bool table_split(int first)
{
	if (raw_syscall3(SYS_close_range, first, LAST_FD, CLOSE_RANGE_UNSHARE) == 0)
		return true;
	if (raw_syscall3(SYS_unshare, CLONE_FILES, 0, 0) != 0)
		return false;
	close_all_from(first);
	return true;
}

/* Something that takes no data and gives none, for whoever writes to 2 out of habit. */
static long open_nothing(void)
{
	long fd = raw_open("/dev/null", O_RDWR | O_CLOEXEC, 0);

	/* A chroot may have no /dev. */
	return fd >= 0 ? fd : raw_syscall3(SYS_epoll_create1, EPOLL_CLOEXEC, 0, 0);
}

static void fill_standard(void)
{
	long fd;

	for (fd = open_nothing(); fd >= 0 && fd <= 2; fd = open_nothing())
		;
	if (fd > 2)
		raw_close((int)fd);
}

bool isolate(unsigned int keep, unsigned int *ret_kept)
{
	*ret_kept = 0;
	if (!table_split(keep ? 3 : 0))
		return false;
	for (int fd = 0; fd < 3; fd++) {
		if (!(keep & 1u << fd))
			raw_close(fd);
		else if (raw_syscall3(SYS_fcntl, fd, F_GETFD, 0) >= 0)
			*ret_kept |= 1u << fd;
	}
	fill_standard();
	raw_syscall3(SYS_unshare, CLONE_FS, 0, 0);
	raw_syscall6(SYS_prctl, PR_SET_NAME, (long)"interspan", 0, 0, 0, 0);
	return true;
}
