/* SPDX-License-Identifier: Apache-2.0 */
/* vfork, syscall and dlopen for x86-64; why they are not C: stubs.h. */
#include <asm/unistd_64.h>

#include "stubs.h"

/* The rows of hooks.def, numbered as in enum hook. */
	.set hook_count, 0
#define HOOK(name) .set hook_##name, hook_count ; .set hook_count, hook_count + 1 ;
#include "hooks.def"
#undef HOOK

/* Without blanks, which would make it several arguments of a macro. */
#define SLOT(name) real_slot+8*hook_##name(%rip)

/*
 * One TLS word: where vfork returns to.  The child shares it, and the stack is no longer the same.
 */
	.section .tbss, "awT", @nobits
	.balign 8
	.type vfork_return, @object
	.size vfork_return, 8
vfork_return:
	.zero 8

	.text

/*
 * Puts the next function of that name in %rax.  The arguments, and %rax, which holds the number of
 * vector registers of a variadic call, stay as they are: only the first call ever needs C.  The
 * stack is 8 off a multiple of 16, as at the entry of any function.
 */
.macro load_real slot, number
	movq \slot, %rax
	testq %rax, %rax
	jnz 8f
	pushq %rdi
	.cfi_adjust_cfa_offset 8
	pushq %rsi
	.cfi_adjust_cfa_offset 8
	pushq %rdx
	.cfi_adjust_cfa_offset 8
	pushq %rcx
	.cfi_adjust_cfa_offset 8
	pushq %r8
	.cfi_adjust_cfa_offset 8
	pushq %r9
	.cfi_adjust_cfa_offset 8
	subq $8, %rsp
	.cfi_adjust_cfa_offset 8
	movl $\number, %edi
	call real_first
	addq $8, %rsp
	.cfi_adjust_cfa_offset -8
	popq %r9
	.cfi_adjust_cfa_offset -8
	popq %r8
	.cfi_adjust_cfa_offset -8
	popq %rcx
	.cfi_adjust_cfa_offset -8
	popq %rdx
	.cfi_adjust_cfa_offset -8
	popq %rsi
	.cfi_adjust_cfa_offset -8
	popq %rdi
	.cfi_adjust_cfa_offset -8
8:
.endm

/*
 * pid_t vfork(void): the child runs on our stack, in our memory, until it execs or exits, and by
 * then has overwritten what was below.  So our return address is kept beside the stack; the flag
 * beside it makes every hook pass through until the parent is back (law 9).
 *
 * A vfork in a vfork child, or in a signal handler that came between, finds the flag set and goes
 * on to libc without another word: there is one place only for the address.
 */
	.globl vfork
	.type vfork, @function
	.p2align 4
vfork:
	.cfi_startproc
	endbr64
	load_real SLOT(vfork), hook_vfork
	movq thread_self@gottpoff(%rip), %rcx
	cmpb $0, %fs:THREAD_IN_VFORK(%rcx)
	jne 3f
	movb $1, %fs:THREAD_IN_VFORK(%rcx)
	popq %rdx
	.cfi_adjust_cfa_offset -8
	.cfi_undefined %rip
	movq vfork_return@gottpoff(%rip), %rcx
	movq %rdx, %fs:(%rcx)
	call *%rax
	/* With a shadow stack libc comes back to the child by a jump. */
	endbr64
	movq vfork_return@gottpoff(%rip), %rcx
	movq %fs:(%rcx), %rdx
	testl %eax, %eax
	jz 2f
	/* The parent, or nobody: -1 and errno are libc's. */
	movq thread_self@gottpoff(%rip), %rcx
	movb $0, %fs:THREAD_IN_VFORK(%rcx)
	pushq %rdx
	.cfi_adjust_cfa_offset 8
	.cfi_offset %rip, -8
	cmpq $0, %fs:THREAD_VFORK_COPY(%rcx)
	jne 4f
	ret
4:	/* errno is kept there. */
	pushq %rax
	.cfi_adjust_cfa_offset 8
	movl %eax, %edi
	call stub_vfork_over
	popq %rax
	.cfi_adjust_cfa_offset -8
	ret
2:	/*
	 * The child.  Not by ret: that would take the address off a shadow stack which the parent
	 * has yet to return by.  Who calls vfork has an endbr64 behind the call, as behind setjmp.
	 */
	.cfi_adjust_cfa_offset -8
	.cfi_undefined %rip
	jmp *%rdx
3:
	.cfi_adjust_cfa_offset 8
	.cfi_offset %rip, -8
	jmp *%rax
	.cfi_endproc
	.size vfork, . - vfork

/* One byte for each number, in rising order: does it concern us? */
#define SYSCALL_LAST NR_LANDLOCK_RESTRICT_SELF
	.section .rodata
	.type syscall_is_ours, @object
syscall_is_ours:
.macro ours number
	.org syscall_is_ours + \number
	.byte 1
.endm
	ours __NR_close
	ours __NR_exit
	ours __NR_setuid
	ours __NR_setgid
	ours __NR_setreuid
	ours __NR_setregid
	ours __NR_setgroups
	ours __NR_setresuid
	ours __NR_setresgid
	ours __NR_capset
	ours __NR_pivot_root
	ours __NR_prctl
	ours __NR_chroot
	ours __NR_exit_group
	ours __NR_unshare
	ours __NR_setns
	ours __NR_seccomp
	ours NR_CLOSE_RANGE
	ours SYSCALL_LAST
	.size syscall_is_ours, . - syscall_is_ours
	.text

/*
 * long syscall(long number, ...): jumps on to libc with all arguments where they were, the seventh
 * on the stack, after a look at the numbers that concern us.
 */
	.globl syscall
	.type syscall, @function
	.p2align 4
syscall:
	.cfi_startproc
	endbr64
	movq thread_self@gottpoff(%rip), %rax
	cmpl $0, %fs:THREAD_INHERITED(%rax)
	jne 6f
3:	cmpl $SYSCALL_LAST, %edi /* the kernel looks at no more of it */
	ja 7f
	movl %edi, %eax
	leaq syscall_is_ours(%rip), %r11
	cmpb $0, (%r11,%rax)
	jne 4f
7:	movq SLOT(syscall), %rax
	testq %rax, %rax
	jz 5f
	jmp *%rax
4:	pushq %rdi
	.cfi_adjust_cfa_offset 8
	pushq %rsi
	.cfi_adjust_cfa_offset 8
	pushq %rdx
	.cfi_adjust_cfa_offset 8
	pushq %rcx
	.cfi_adjust_cfa_offset 8
	pushq %r8
	.cfi_adjust_cfa_offset 8
	pushq %r9
	.cfi_adjust_cfa_offset 8
	subq $8, %rsp
	.cfi_adjust_cfa_offset 8
	call stub_syscall
	addq $8, %rsp
	.cfi_adjust_cfa_offset -8
	popq %r9
	.cfi_adjust_cfa_offset -8
	popq %r8
	.cfi_adjust_cfa_offset -8
	popq %rcx
	.cfi_adjust_cfa_offset -8
	popq %rdx
	.cfi_adjust_cfa_offset -8
	popq %rsi
	.cfi_adjust_cfa_offset -8
	popq %rdi
	.cfi_adjust_cfa_offset -8
5:	load_real SLOT(syscall), hook_syscall
	jmp *%rax
	/* inherit_end(): a futex, or who knows what; but not what a line in a log wants to know. */
6:	cmpl $__NR_gettid, %edi
	je 3b
	movl $0, %fs:THREAD_INHERITED(%rax)
	jmp 3b
	.cfi_endproc
	.size syscall, . - syscall

/*
 * void *dlopen(const char *path, int flags): the dynamic linker searches on behalf of whom it was
 * called by (RUNPATH, namespace), so it must not be us.  RTLD_DEEPBIND would hide our hooks from
 * the library, and from the libraries that it brings, some of which are here already.
 */
	.globl dlopen
	.type dlopen, @function
	.p2align 4
dlopen:
	.cfi_startproc
	endbr64
	pushq %rdi
	.cfi_adjust_cfa_offset 8
	pushq %rsi
	.cfi_adjust_cfa_offset 8
	subq $8, %rsp
	.cfi_adjust_cfa_offset 8
	call stub_dlopen
	addq $8, %rsp
	.cfi_adjust_cfa_offset -8
	popq %rsi
	.cfi_adjust_cfa_offset -8
	popq %rdi
	.cfi_adjust_cfa_offset -8
	andl %edx, %esi
	jmp *%rax
	.cfi_endproc
	.size dlopen, . - dlopen

	.section .note.GNU-stack, "", @progbits

/* Indirect branch tracking and shadow stack: we do what they ask for. */
	.section .note.gnu.property, "a", @note
	.p2align 3
	.long 4        /* "GNU" */
	.long 16       /* of what follows the name */
	.long 5        /* NT_GNU_PROPERTY_TYPE_0 */
	.asciz "GNU"
	.long 0xc0000002 /* GNU_PROPERTY_X86_FEATURE_1_AND */
	.long 4
	.long 3        /* IBT, SHSTK */
	.long 0
