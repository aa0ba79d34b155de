/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_sandbox PORT FILTER [child|exec|raw]: a request, a filter of system calls, two requests.
 * The filter lets through what this program makes, and answers all else in the way that FILTER
 * says:
 *
 *   kill, trap, errno      that
 *   arguments              kill, but for what has no bad argument
 *   strict                 SECCOMP_MODE_STRICT: read(2), write(2), and an end
 *   ptrace                 kill ptrace(2), and nothing else
 *   threads                kill clone(2) and clone3(2), and nothing else
 *   listed                 kill, but let through what include/syscalls.def lists as well
 *   old                    the same, and close_range(2) and clone3(2) are not known
 *   refused                the same, and close_range(2) and unshare(2) are refused
 *   -NAME                  the same, and this one is refused
 *
 * child: in a forked child; exec: the requests are made by this program, started again; raw: by
 * syscall(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "http_get.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/*
 * What is made below, by libc in our name, and by the dynamic linker of a program that is started.
 */
static const int own_calls[] = {
	SYS_read,
	SYS_write,
	SYS_close,
	SYS_socket,
	SYS_connect,
	SYS_exit_group,
	SYS_exit,
	SYS_brk,
	SYS_rt_sigreturn,
	SYS_execve,
	SYS_openat,
	SYS_pread64,
	SYS_mmap,
	SYS_munmap,
	SYS_mprotect,
	SYS_newfstatat,
	SYS_access,
	SYS_faccessat,
	SYS_arch_prctl,
	SYS_set_tid_address,
	SYS_set_robust_list,
	SYS_rseq,
	SYS_prlimit64,
	SYS_getrandom,
	SYS_fstat,
};
static const struct {
	const char *name;
	int number;
} listed[] = {
#define SYSCALL(name, who, then) { #name, SYS_##name },
#include "../../include/syscalls.def"
};
static const int ptrace_calls[] = { SYS_ptrace };
static const int thread_calls[] = { SYS_clone, SYS_clone3 };

static struct sock_filter code[300];
static struct sock_fprog program = { 0, code };

static void add(uint16_t what, uint8_t if_true, uint8_t if_false, uint32_t k)
{
	code[program.len++] = (struct sock_filter){ what, if_true, if_false, k };
}

/* These calls get one answer, all others the other one. */
static void build(const int *calls, size_t n, uint32_t answer, uint32_t otherwise)
{
	add(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
	add(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, AUDIT_ARCH_X86_64);
	add(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS);
	add(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < n; i++) {
		add(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (uint32_t)calls[i]);
		add(BPF_RET | BPF_K, 0, 0, answer);
	}
	add(BPF_RET | BPF_K, 0, 0, otherwise);
}

/* Whatever it is called with: its second argument's upper half is none. */
static void build_by_argument(void)
{
	add(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, args[5]) + 4);
	add(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0xdeadbeef);
	add(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
	build(own_calls, COUNT(own_calls), SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS);
}

static void answer(int call, uint32_t with)
{
	add(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (uint32_t)call);
	add(BPF_RET | BPF_K, 0, 0, with);
}

/* What comes first counts. */
static void build_listed(const char *name)
{
	add(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
	if (strcmp(name, "old") == 0) {
		answer(SYS_close_range, SECCOMP_RET_ERRNO | ENOSYS);
		answer(SYS_clone3, SECCOMP_RET_ERRNO | ENOSYS);
	}
	if (strcmp(name, "refused") == 0) {
		answer(SYS_close_range, SECCOMP_RET_ERRNO | EPERM);
		answer(SYS_unshare, SECCOMP_RET_ERRNO | EPERM);
	}
	for (size_t i = 0; i < COUNT(listed); i++)
		if (*name == '-' && strcmp(name + 1, listed[i].name) == 0)
			answer(listed[i].number, SECCOMP_RET_ERRNO | EPERM);
	for (size_t i = 0; i < COUNT(listed); i++)
		answer(listed[i].number, SECCOMP_RET_ALLOW);
	build(own_calls, COUNT(own_calls), SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS);
}

static void filter(const char *name, int by_number)
{
	if (strcmp(name, "kill") == 0)
		build(own_calls, COUNT(own_calls), SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS);
	else if (strcmp(name, "trap") == 0)
		build(own_calls, COUNT(own_calls), SECCOMP_RET_ALLOW, SECCOMP_RET_TRAP);
	else if (strcmp(name, "errno") == 0)
		build(own_calls, COUNT(own_calls), SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | EPERM);
	else if (strcmp(name, "arguments") == 0)
		build_by_argument();
	else if (strcmp(name, "ptrace") == 0)
		build(ptrace_calls, 1, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ALLOW);
	else if (strcmp(name, "threads") == 0)
		build(thread_calls, 2, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ALLOW);
	else
		build_listed(name);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		exit(77);
	if (by_number ? syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) :
			prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0))
		exit(77);
}

static void say(const char *text)
{
	if (write(1, text, strlen(text)) < 0)
		exit(3);
}

static void ask(int port)
{
	say(http_get(port, "/") == 204 ? "204\n" : "something else\n");
}

/* Nothing but read(2) and write(2), on what is open. */
static void in_strict_mode(int port)
{
	int fd = http_connect(port);

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0) != 0)
		exit(77);
	for (int i = 0; i < 2; i++)
		say(http_request(fd, "/") == 204 ? "204\n" : "something else\n");
	syscall(SYS_exit, 0);
}

static int in_a_sandbox(int argc, char **argv, int port)
{
	const char *how = argc > 3 ? argv[3] : "";

	if (strcmp(argv[2], "strict") == 0)
		in_strict_mode(port);
	filter(argv[2], strcmp(how, "raw") == 0);
	if (strcmp(how, "exec") == 0) {
		execl("/proc/self/exe", "again", argv[1], "again", (char *)NULL);
		return 4;
	}
	ask(port);
	ask(port);
	return 0;
}

int main(int argc, char **argv)
{
	int port = argc > 2 ? atoi(argv[1]) : 0;
	int status = 0;

	if (!port)
		return 2;
	ask(port);
	if (strcmp(argv[2], "again") == 0) {
		ask(port);
		return 0;
	}
	if (argc < 4 || strcmp(argv[3], "child") != 0)
		return in_a_sandbox(argc, argv, port);
	if (fork() == 0)
		exit(in_a_sandbox(argc, argv, port));
	wait(&status);
	return status != 0;
}
