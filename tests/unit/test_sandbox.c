/* SPDX-License-Identifier: Apache-2.0 */
/* What a filter of system calls leaves us, by filters that are written out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "sandbox.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define IF_NOT(k, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, 0, skip)
#define ANSWER(verdict) BPF_STMT(BPF_RET | BPF_K, verdict)

enum { NUMBER, ARCH = 4, INSTRUCTION = 8, ARGUMENT = 16 };

/* One call gets one answer, all others are allowed. */
static enum sandbox of_one(uint32_t call, uint32_t verdict)
{
	const struct sock_filter code[] = {
		LOAD(NUMBER),
		IF_NOT(call, 1),
		ANSWER(verdict),
		ANSWER(SECCOMP_RET_ALLOW),
	};

	return sandbox_judge(code, LEN(code));
}

static void test_sandbox_of_one_call(void **state)
{
	static const struct {
		uint32_t call, verdict;
		enum sandbox want;
	} rows[] = {
		{ SYS_ptrace, SECCOMP_RET_KILL_PROCESS, SANDBOX_OPEN },
		/* In the program's own threads. */
		{ SYS_getsockopt, SECCOMP_RET_KILL_PROCESS, SANDBOX_CLOSED },
		{ SYS_getsockopt, SECCOMP_RET_KILL_THREAD, SANDBOX_CLOSED },
		{ SYS_getsockopt, SECCOMP_RET_TRAP, SANDBOX_CLOSED },
		{ SYS_getsockopt, SECCOMP_RET_USER_NOTIF, SANDBOX_CLOSED },
		{ SYS_getsockopt, SECCOMP_RET_TRACE, SANDBOX_CLOSED },
		{ SYS_getsockopt, SECCOMP_RET_LOG, SANDBOX_OPEN },
		{ SYS_getsockopt, SECCOMP_RET_ERRNO | 1, SANDBOX_OPEN },
		{ SYS_getsockopt, SECCOMP_RET_ERRNO, SANDBOX_CLOSED }, /* as if it had been done */
		{ SYS_futex, SECCOMP_RET_ERRNO | 1, SANDBOX_CLOSED },
		/* In the exporter's. */
		{ SYS_ppoll, SECCOMP_RET_KILL_PROCESS, SANDBOX_NO_THREAD },
		{ SYS_ppoll, SECCOMP_RET_ERRNO | 1, SANDBOX_NO_THREAD },
		{ SYS_clone, SECCOMP_RET_KILL_PROCESS, SANDBOX_NO_THREAD },
		{ SYS_unshare, SECCOMP_RET_ERRNO | 38, SANDBOX_OPEN },
	};

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++)
		if (of_one(rows[i].call, rows[i].verdict) != rows[i].want)
			fail_msg("row %zu: not %d", i, (int)rows[i].want);
}

static void test_sandbox_of_all(void **state)
{
	const struct sock_filter allow[] = { ANSWER(SECCOMP_RET_ALLOW) };
	const struct sock_filter kill[] = { ANSWER(SECCOMP_RET_KILL_PROCESS) };
	/* Of another architecture only: that is not ours. */
	const struct sock_filter arch[] = { LOAD(ARCH), IF_NOT(40, 1),
					    ANSWER(SECCOMP_RET_KILL_PROCESS),
					    ANSWER(SECCOMP_RET_ALLOW) };

	(void)state;
	assert_int_equal(sandbox_judge(allow, 1), SANDBOX_OPEN);
	assert_int_equal(sandbox_judge(kill, 1), SANDBOX_CLOSED);
	assert_int_equal(sandbox_judge(arch, LEN(arch)), SANDBOX_OPEN);
}

/* As libseccomp makes them: a tree of comparisons; and with arithmetic, of hand-written ones. */
static void test_sandbox_of_a_tree(void **state)
{
	const struct sock_filter tree[] = {
		LOAD(NUMBER),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 3, 0), /* x32 */
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, SYS_ptrace, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, SYS_ptrace, 1, 0),
		BPF_STMT(BPF_JMP | BPF_JA, 1),
		ANSWER(SECCOMP_RET_KILL_PROCESS),
		ANSWER(SECCOMP_RET_ALLOW),
	};
	const struct sock_filter sums[] = {
		LOAD(NUMBER),
		BPF_STMT(BPF_ST, 3),
		BPF_STMT(BPF_LDX | BPF_IMM, 7),
		BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
		BPF_STMT(BPF_ALU | BPF_SUB | BPF_K, 7),
		BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 1),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 1),
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_K, 0xff),
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_K, 0xff),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xffff),
		BPF_STMT(BPF_ALU | BPF_OR | BPF_K, 0),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_MEM, 3),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 1, 0),
		ANSWER(SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_IMM, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};

	(void)state;
	assert_int_equal(sandbox_judge(tree, LEN(tree)), SANDBOX_OPEN);
	assert_int_equal(sandbox_judge(sums, LEN(sums)), SANDBOX_OPEN);
}

/* What depends on more than the number, or is no filter at all, is taken for the worst. */
static void test_sandbox_of_what_is_not_known(void **state)
{
	const struct sock_filter argument[] = { LOAD(ARGUMENT), ANSWER(SECCOMP_RET_ALLOW) };
	const struct sock_filter place[] = { LOAD(INSTRUCTION), ANSWER(SECCOMP_RET_ALLOW) };
	const struct sock_filter endless[] = { LOAD(NUMBER) };
	const struct sock_filter far[] = { BPF_STMT(BPF_JMP | BPF_JA, 0xffffffff) };
	/* Of a call that is none of ours, it does not matter. */
	const struct sock_filter other[] = { LOAD(NUMBER), IF_NOT(SYS_ioctl, 1), LOAD(ARGUMENT),
					     ANSWER(SECCOMP_RET_ALLOW) };

	(void)state;
	assert_int_equal(sandbox_judge(argument, 2), SANDBOX_CLOSED);
	assert_int_equal(sandbox_judge(place, 2), SANDBOX_CLOSED);
	assert_int_equal(sandbox_judge(endless, 1), SANDBOX_CLOSED);
	assert_int_equal(sandbox_judge(far, 1), SANDBOX_CLOSED);
	assert_int_equal(sandbox_judge(other, LEN(other)), SANDBOX_OPEN);
}

/* The kernel will refuse these: nothing changes. */
static void test_sandbox_of_no_filter(void **state)
{
	struct sock_filter kill[] = { ANSWER(SECCOMP_RET_KILL_PROCESS) };
	struct sock_fprog program = { 1, kill };
	char *end = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(end, MAP_FAILED);
	munmap(end + 4096, 4096);
	assert_int_equal(sandbox_of(&program), SANDBOX_CLOSED);
	assert_int_equal(sandbox_of(NULL), SANDBOX_OPEN);
	assert_int_equal(sandbox_of((void *)16), SANDBOX_OPEN);
	program.filter = NULL;
	assert_int_equal(sandbox_of(&program), SANDBOX_OPEN);
	program.filter = (struct sock_filter *)(void *)(end + 4096 - sizeof(kill));
	*program.filter = kill[0];
	assert_int_equal(sandbox_of(&program), SANDBOX_CLOSED);
	program.len = 2;
	assert_int_equal(sandbox_of(&program), SANDBOX_OPEN);
	program.len = 0;
	assert_int_equal(sandbox_of(&program), SANDBOX_OPEN);
	munmap(end, 4096);
}

/* In front of what was there; the rest is as it was, and as long as there is room. */
static void test_sandbox_tells_programs(void **state)
{
	static char *many[2000];
	char first[] = "A=1", second[] = "OTEL_INTERSPAN_ENABLED=true";
	char *envp[] = { first, second, NULL };
	char *const *got;

	(void)state;
	assert_ptr_equal(sandbox_env(envp), envp);
	sandbox_outlives_exec();
	got = sandbox_env(envp);
	assert_string_equal(got[0], "OTEL_INTERSPAN_ENABLED=false");
	assert_ptr_equal(got[1], envp[0]);
	assert_ptr_equal(got[2], envp[1]);
	assert_null(got[3]);
	assert_null(sandbox_env(NULL));
	for (size_t i = 0; i < 1022; i++)
		many[i] = envp[0];
	got = sandbox_env(many);
	assert_ptr_equal(got[1022], envp[0]);
	assert_null(got[1023]);
	many[1022] = envp[0];
	assert_ptr_equal(sandbox_env(many), many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sandbox_of_one_call),
		cmocka_unit_test(test_sandbox_of_all),
		cmocka_unit_test(test_sandbox_of_a_tree),
		cmocka_unit_test(test_sandbox_of_what_is_not_known),
		cmocka_unit_test(test_sandbox_of_no_filter),
		cmocka_unit_test(test_sandbox_tells_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
