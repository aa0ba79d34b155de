/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "compiler.h"
#include "guard.h"
#include "memory.h"

#if defined(__x86_64__)
#define OWN_ARCH AUDIT_ARCH_X86_64
#else
#define OWN_ARCH AUDIT_ARCH_AARCH64
#endif

/* Younger than the headers of some systems; the same everywhere. */
#ifndef SYS_rseq
#define SYS_rseq 334
#endif
#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SECCOMP_RET_KILL_PROCESS
#define SECCOMP_RET_KILL_PROCESS 0x80000000u
#endif
#ifndef SECCOMP_RET_LOG
#define SECCOMP_RET_LOG 0x7ffc0000u
#endif
#define ACTION_MASK 0xffff0000u

enum who {
	EXPORTER,
	HOOKS,
};

enum then {
	BAD,
	FINE,
};

static const struct {
	uint16_t number;
	uint8_t who;
	uint8_t then;
} calls[] = {
#define SYSCALL(name, who, then) { SYS_##name, who, then },
#include "syscalls.def"
#undef SYSCALL
};

/* --- one call --- */

struct machine {
	uint32_t a;
	uint32_t x;
	uint32_t memory[BPF_MEMWORDS];
	uint32_t number;
};

/* False: it asks for the arguments, or for what is none of a filter's business. */
static bool load(struct machine *m, const struct sock_filter *f)
{
	switch (f->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		if (f->k == offsetof(struct seccomp_data, nr))
			m->a = m->number;
		else if (f->k == offsetof(struct seccomp_data, arch))
			m->a = OWN_ARCH;
		else
			return false;
		return true;
	case BPF_LD | BPF_W | BPF_LEN:
		m->a = sizeof(struct seccomp_data);
		return true;
	case BPF_LDX | BPF_W | BPF_LEN:
		m->x = sizeof(struct seccomp_data);
		return true;
	case BPF_LD | BPF_IMM:
		m->a = f->k;
		return true;
	case BPF_LDX | BPF_IMM:
		m->x = f->k;
		return true;
	case BPF_LD | BPF_MEM:
		m->a = m->memory[f->k % BPF_MEMWORDS];
		return true;
	case BPF_LDX | BPF_MEM:
		m->x = m->memory[f->k % BPF_MEMWORDS];
		return true;
	default:
		return false;
	}
}

static bool store(struct machine *m, const struct sock_filter *f)
{
	m->memory[f->k % BPF_MEMWORDS] = BPF_CLASS(f->code) == BPF_ST ? m->a : m->x;
	return true;
}

static bool calculate(struct machine *m, const struct sock_filter *f)
{
	uint32_t by = BPF_SRC(f->code) == BPF_X ? m->x : f->k;

	switch (BPF_OP(f->code)) {
	case BPF_ADD:
		m->a += by;
		return true;
	case BPF_SUB:
		m->a -= by;
		return true;
	case BPF_AND:
		m->a &= by;
		return true;
	case BPF_OR:
		m->a |= by;
		return true;
	case BPF_XOR:
		m->a ^= by;
		return true;
	case BPF_LSH:
		m->a = by < 32 ? m->a << by : 0;
		return true;
	case BPF_RSH:
		m->a = by < 32 ? m->a >> by : 0;
		return true;
	default:
		return false; /* nobody multiplies the number of a call */
	}
}

static bool is_so(const struct machine *m, const struct sock_filter *f)
{
	uint32_t to = BPF_SRC(f->code) == BPF_X ? m->x : f->k;

	switch (BPF_OP(f->code)) {
	case BPF_JEQ:
		return m->a == to;
	case BPF_JGT:
		return m->a > to;
	case BPF_JGE:
		return m->a >= to;
	default: /* BPF_JSET */
		return m->a & to;
	}
}

static bool move(struct machine *m, const struct sock_filter *f)
{
	if (BPF_MISCOP(f->code) == BPF_TAX)
		m->x = m->a;
	else
		m->a = m->x;
	return true;
}

/* What becomes of a call; the worst, if that depends on more than its number. */
static uint32_t judge(const struct sock_filter *code, size_t n, uint32_t number)
{
	struct machine m = { .number = number };
	bool is_known = true;

	for (size_t at = 0; at < n && is_known; at++) {
		const struct sock_filter *f = &code[at];

		switch (BPF_CLASS(f->code)) {
		case BPF_RET:
			return BPF_RVAL(f->code) == BPF_A ? m.a : f->k;
		case BPF_JMP:
			if (BPF_OP(f->code) == BPF_JA)
				at += f->k;
			else
				at += is_so(&m, f) ? f->jt : f->jf;
			break;
		case BPF_ALU:
			is_known = calculate(&m, f);
			break;
		case BPF_ST:
		case BPF_STX:
			is_known = store(&m, f);
			break;
		case BPF_MISC:
			is_known = move(&m, f);
			break;
		default:
			is_known = load(&m, f);
			break;
		}
	}
	return SECCOMP_RET_KILL_PROCESS;
}

/* --- all calls --- */

/* Without an error there is no telling a refusal from success. */
static bool is_harmless(uint32_t verdict, enum then then)
{
	switch (verdict & ACTION_MASK) {
	case SECCOMP_RET_ALLOW:
	case SECCOMP_RET_LOG:
		return true;
	case SECCOMP_RET_ERRNO:
		return then == FINE && verdict & SECCOMP_RET_DATA;
	default:
		return false;
	}
}

enum sandbox sandbox_judge(const struct sock_filter *code, size_t n)
{
	enum sandbox worst = SANDBOX_OPEN;

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (is_harmless(judge(code, n, calls[i].number), calls[i].then))
			continue;
		if (calls[i].who == HOOKS)
			return SANDBOX_CLOSED;
		worst = SANDBOX_NO_THREAD;
	}
	return worst;
}

enum sandbox sandbox_of(const void *program)
{
	const struct sock_fprog *p = program;

	if (!memory_is_readable(p, sizeof(*p)) || !p->len || p->len > BPF_MAXINSNS ||
	    !memory_is_readable(p->filter, p->len * sizeof(*p->filter)))
		return SANDBOX_OPEN;
	return sandbox_judge(p->filter, p->len);
}

/* --- and after an exec --- */

#define ENTRIES_MAX 1022u

static _Atomic bool is_left_to_programs;

void sandbox_outlives_exec(void)
{
	atomic_store(&is_left_to_programs, true);
}

/* No memory may be asked for any more.  Untouched, this costs nothing. */
static char *quiet_env[ENTRIES_MAX + 2];

char *const *sandbox_env(char *const *envp)
{
	static char entry[] = "OTEL_INTERSPAN_ENABLED=false";
	static _Atomic(struct thread *) holder; /* a vfork child is its parent's thread, too */
	struct thread *none = NULL;
	size_t n = 0;

	if (LIKELY(!atomic_load_explicit(&is_left_to_programs, memory_order_relaxed)) || !envp)
		return envp;
	if (!atomic_compare_exchange_strong(&holder, &none, &thread_self) && none != &thread_self)
		return envp;
	quiet_env[n++] = entry;
	while (n <= ENTRIES_MAX + 1 && (quiet_env[n] = envp[n - 1]))
		n++;
	return n <= ENTRIES_MAX + 1 ? quiet_env : envp;
}
