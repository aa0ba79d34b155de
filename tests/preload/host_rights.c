/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_rights PORT WAY...: gives something up in each of these ways, one after the other, with a
 * request before each and one at the end.  Prints what the call returned, how many threads then
 * have other rights than the one that made it, and how many of those are left that were there
 * before without being the program's.  Bare there is one thread.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "http_get.h"

#define TASKS_MAX 64

static int task_dir; /* of a /proc that a new root may not have */

int capset(cap_user_header_t header, const cap_user_data_t data);
int pivot_root(const char *new_root, const char *put_old);

/* --- threads, as the kernel has them --- */

static int tasks(char names[TASKS_MAX][16])
{
	int fd = openat(task_dir, ".", O_RDONLY | O_DIRECTORY);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	int n = 0;

	for (struct dirent *e; d && n < TASKS_MAX && (e = readdir(d));)
		if (e->d_name[0] != '.')
			snprintf(names[n++], 16, "%.15s", e->d_name);
	if (d)
		closedir(d);
	return n;
}

/* One that is not the program's, once it has set itself up; where none comes, the time passes. */
static void wait_for_another(int pauses)
{
	char names[TASKS_MAX][16], path[40], comm[32];
	struct timespec pause = { 0, 5000000 };

	for (; pauses; pauses--, nanosleep(&pause, NULL))
		for (int i = tasks(names) - 1; i >= 0; i--) {
			int fd;
			ssize_t n;

			snprintf(path, sizeof(path), "%s/comm", names[i]);
			fd = openat(task_dir, path, O_RDONLY);
			n = fd >= 0 ? read(fd, comm, sizeof(comm)) : -1;
			close(fd);
			if (n == 10 && memcmp(comm, "interspan\n", 10) == 0)
				return;
		}
}

struct rights {
	char status[4000];
	struct stat root, spaces[6];
};

static int rights_of(const char *task, struct rights *r)
{
	static const char *const lines[] = { "Uid:",        "Gid:",    "Groups:", "Cap",
					     "NoNewPrivs:", "Seccomp", NULL };
	static const char *const spaces[] = { "ns/mnt", "ns/net", "ns/user",
					      "ns/uts", "ns/ipc", "ns/cgroup" };
	char path[64], line[1000];
	FILE *f;
	int fd;

	memset(r, 0, sizeof(*r));
	snprintf(path, sizeof(path), "%s/status", task);
	fd = openat(task_dir, path, O_RDONLY);
	f = fd >= 0 ? fdopen(fd, "r") : NULL;
	if (!f)
		return 0; /* it has ended */
	while (fgets(line, sizeof(line), f))
		for (int i = 0; lines[i]; i++)
			if (strncmp(line, lines[i], strlen(lines[i])) == 0)
				strcat(r->status, line);
	fclose(f);
	snprintf(path, sizeof(path), "%s/root", task);
	fstatat(task_dir, path, &r->root, 0);
	for (int i = 0; i < 6; i++) {
		snprintf(path, sizeof(path), "%s/%s", task, spaces[i]);
		fstatat(task_dir, path, &r->spaces[i], 0);
	}
	return 1;
}

static int is_same(const struct rights *a, const struct rights *b)
{
	int same = strcmp(a->status, b->status) == 0 && a->root.st_ino == b->root.st_ino &&
		   a->root.st_dev == b->root.st_dev;

	for (int i = 0; i < 6; i++)
		same &= a->spaces[i].st_ino == b->spaces[i].st_ino;
	return same;
}

static void compare(char before[TASKS_MAX][16], int n_before)
{
	static struct rights own, other;
	char now[TASKS_MAX][16], self[16];
	int n = tasks(now), unlike = 0, left = 0;

	snprintf(self, sizeof(self), "%ld", (long)getpid());
	rights_of(self, &own);
	for (int i = 0; i < n; i++) {
		unlike += rights_of(now[i], &other) && !is_same(&own, &other);
		for (int k = 0; k < n_before; k++)
			left += strcmp(now[i], before[k]) == 0 && strcmp(now[i], self) != 0;
	}
	printf("other rights %d, left %d\n", unlike, left);
}

/* --- the ways --- */

static struct __user_cap_header_struct cap_header = { _LINUX_CAPABILITY_VERSION_3, 0 };

static struct __user_cap_data_struct *fewer_caps(void)
{
	static struct __user_cap_data_struct data[2];

	syscall(SYS_capget, &cap_header, data);
	data[0].permitted &= ~(1u << CAP_NET_RAW | 1u << CAP_MKNOD);
	data[0].effective = data[0].permitted;
	return data;
}

/* Allows all. */
static struct sock_fprog *filter(void)
{
	static struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	static struct sock_fprog program = { 1, code };

	return &program;
}

static int landlock(void)
{
	struct landlock_ruleset_attr rules = { .handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_REG };
	int fd = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules), 0);
	int r = fd < 0 ? fd : (int)syscall(SYS_landlock_restrict_self, fd, 0);

	close(fd);
	return r;
}

static int new_root(void)
{
	char path[4096];
	int r;

	if (!getcwd(path, sizeof(path)) || unshare(CLONE_NEWNS) != 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", path, "tmpfs", 0, "size=64k") != 0 || chdir(path) != 0)
		return -1;
	r = pivot_root(".", ".");
	umount2(".", MNT_DETACH);
	return r;
}

static int own_namespace(const char *name)
{
	char path[64];
	int fd, r;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	r = setns(fd, 0);
	close(fd);
	return r;
}

#define WAY(name, call)                      \
	do {                                 \
		if (strcmp(way, name) == 0)  \
			return (long)(call); \
	} while (0)

static long give_up(const char *way)
{
	WAY("chroot", chroot("/etc"));
	WAY("chroot-raw", syscall(SYS_chroot, "/etc"));
	WAY("pivot_root", new_root());
	WAY("unshare-user", unshare(CLONE_NEWUSER));
	WAY("unshare-user-raw", syscall(SYS_unshare, CLONE_NEWUSER));
	WAY("unshare-mount", unshare(CLONE_NEWNS));
	WAY("unshare-net", unshare(CLONE_NEWNET));
	WAY("unshare-names", unshare(CLONE_NEWUTS | CLONE_NEWIPC));
	WAY("unshare-pid", unshare(CLONE_NEWPID));
	WAY("unshare-threads", unshare(CLONE_THREAD));
	WAY("setns", own_namespace("net"));
	WAY("setns-mount", own_namespace("mnt"));
	WAY("setns-raw", syscall(SYS_setns, open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC), 0));
	WAY("capset", capset(&cap_header, fewer_caps()));
	WAY("capset-raw", syscall(SYS_capset, &cap_header, fewer_caps()));
	WAY("no_new_privs", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	WAY("no_new_privs-raw", syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	WAY("bounding", prctl(PR_CAPBSET_DROP, CAP_MKNOD, 0, 0, 0));
	WAY("securebits", prctl(PR_SET_SECUREBITS, 1 << 0, 0, 0, 0));
	WAY("ambient", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
	WAY("ambient-raw", syscall(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
	WAY("seccomp", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter(), 0, 0));
	WAY("seccomp-raw", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, filter()));
	WAY("landlock", landlock());
	WAY("setuid", setuid(65534));
	WAY("setgroups-raw", syscall(SYS_setgroups, 0, NULL));
	WAY("setresgid-raw", syscall(SYS_setresgid, 65534, 65534, 65534));
	WAY("setresuid-raw", syscall(SYS_setresuid, 65534, 65534, 65534));
	errno = EINVAL;
	return -1;
}

int main(int argc, char **argv)
{
	int port = argc > 2 ? atoi(argv[1]) : 0;
	/* Where nobody is to be expected: a moment, in which nobody comes. */
	int pauses = getenv("LD_PRELOAD") ? 2000 : 10;

	task_dir = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!port || task_dir < 0)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 2; i < argc; i++) {
		char before[TASKS_MAX][16];
		int n, r;

		printf("%s: status %d\n", argv[i], http_get(port, "/"));
		wait_for_another(pauses);
		n = tasks(before);
		errno = 99;
		r = (int)give_up(argv[i]);
		printf("returned %d, errno %d\n", r, errno);
		compare(before, n);
		if (strcmp(argv[i], "unshare-net") == 0)
			return 0; /* nobody to talk to any more */
		printf("status %d\n", http_get(port, "/"));
		if (strcmp(argv[i], "unshare-pid") != 0) /* no thread any more, either */
			wait_for_another(pauses);
		compare(before, n);
	}
	return 0;
}
