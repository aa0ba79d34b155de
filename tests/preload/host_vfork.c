/* SPDX-License-Identifier: Apache-2.0 */
/* host_vfork CASE: what programs do with vfork(), among them what the manual says not to. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int status_of(pid_t child)
{
	int status = -1;

	if (waitpid(child, &status, 0) != child)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int child_exits(void)
{
	int sum = 0;

	for (int i = 0; i < 100; i++) {
		volatile int mine = i;
		pid_t child = vfork();

		if (child == 0)
			_exit(mine);
		sum += status_of(child) == i;
	}
	return sum == 100 ? 0 : 1;
}

static int child_execs(void)
{
	pid_t child = vfork();

	if (child == 0) {
		execl("/bin/sh", "sh", "-c", "exit 7", (char *)NULL);
		_exit(99);
	}
	return status_of(child) == 7 ? 0 : 1;
}

/* CPython's subprocess does this, in its parent's memory. */
static int child_moves_descriptors(void)
{
	char got[8] = "";
	int fds[2];
	pid_t child;

	if (pipe(fds) != 0)
		return 1;
	child = vfork();
	if (child == 0) {
		close(fds[0]);
		dup2(fds[1], 1);
		close(fds[1]);
		execlp("echo", "echo", "-n", "moved", (char *)NULL);
		_exit(99);
	}
	close(fds[1]);
	if (status_of(child) != 0 || read(fds[0], got, sizeof(got)) != 5)
		return 2;
	close(fds[0]);
	return strcmp(got, "moved") == 0 ? 0 : 3;
}

static int child_vforks(void)
{
	pid_t child = vfork();

	if (child == 0) {
		pid_t grandchild = vfork();

		if (grandchild == 0)
			_exit(11);
		_exit(status_of(grandchild) == 11 ? 12 : 99);
	}
	return status_of(child) == 12 ? 0 : 1;
}

static int child_forks(void)
{
	pid_t child = vfork();

	if (child == 0) {
		pid_t grandchild = fork();

		if (grandchild == 0)
			_exit(13);
		_exit(status_of(grandchild) == 13 ? 14 : 99);
	}
	return status_of(child) == 14 ? 0 : 1;
}

/* The stack below us is the child's to write on. */
static __attribute__((noinline)) int scribble(int depth)
{
	volatile char room[256];

	memset((char *)room, 0x5a, sizeof(room));
	return depth ? scribble(depth - 1) + room[depth & 255] : 0;
}

static int child_overwrites_the_stack(void)
{
	long a = 1, b = 2, c = 3, d = 4, e = 5, f = 6;
	pid_t child;

	__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
	child = vfork();
	if (child == 0) {
		scribble(30);
		_exit(0);
	}
	__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
	if (status_of(child) != 0)
		return 1;
	return a == 1 && b == 2 && c == 3 && d == 4 && e == 5 && f == 6 ? 0 : 2;
}

/* A filter that answers EAGAIN to vfork(2), as a full process table would. */
static int parent_gets_errno(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_vfork, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) != 0)
		return 77; /* no seccomp here */
	errno = 0;
	if (vfork() != -1 || errno != EAGAIN)
		return 1;
	/* And hooks are back at work: fork is not vfork. */
	return status_of(fork() ?: (_exit(5), 0)) == 5 ? 0 : 2;
}

static void *vfork_often(void *arg)
{
	for (int i = 0; i < 200; i++) {
		pid_t child = vfork();

		if (child == 0)
			_exit(21);
		if (status_of(child) != 21)
			return arg;
	}
	return NULL;
}

static int threads_vfork(void)
{
	pthread_t t[4];
	int bad = 0;

	for (int i = 0; i < 4; i++)
		if (pthread_create(&t[i], NULL, vfork_often, t) != 0)
			return 1;
	for (int i = 0; i < 4; i++) {
		void *ret;

		pthread_join(t[i], &ret);
		bad += ret != NULL;
	}
	return bad;
}

int main(int argc, char **argv)
{
#define CASE(name)          \
	{                   \
#name, name \
	}
	static const struct {
		const char *name;
		int (*run)(void);
	} cases[] = {
		CASE(child_exits),       CASE(child_execs),   CASE(child_moves_descriptors),
		CASE(child_vforks),      CASE(child_forks),   CASE(child_overwrites_the_stack),
		CASE(parent_gets_errno), CASE(threads_vfork),
	};

	for (size_t i = 0; argc > 1 && i < sizeof(cases) / sizeof(cases[0]); i++)
		if (strcmp(cases[i].name, argv[1]) == 0)
			return cases[i].run();
	return 2;
}
