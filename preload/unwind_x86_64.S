/* SPDX-License-Identifier: Apache-2.0 */
/* unwind_call(): see unwind.h. */
	.text
	.globl unwind_call
	.hidden unwind_call
	.type unwind_call, @function
	.balign 16
unwind_call:
	.cfi_startproc
	endbr64
	pushq %rbp
	.cfi_def_cfa_offset 16
	.cfi_offset %rbp, -16
	movq %rsp, %rbp
	.cfi_def_cfa_register %rbp
	pushq %rbx
	.cfi_offset %rbx, -24
	pushq %r12
	.cfi_offset %r12, -32
	pushq %r13
	.cfi_offset %r13, -40
	pushq %r14
	.cfi_offset %r14, -48
	pushq %r15
	.cfi_offset %r15, -56
	movq %rdi, %rax
	movq %rsp, %rdi
	movq %rdx, %rsp
	call *%rax
	leaq -40(%rbp), %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	.cfi_def_cfa %rsp, 8
	ret
	.cfi_endproc
	.size unwind_call, . - unwind_call

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
