/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The smallest guest that shows an accelerator at work: from the reset vector to
 * 64-bit mode with paging, some work there, and out through isa-debug-exit. A KVM
 * that runs real mode and then hangs is known; only the end of this one counts.
 *
 * A 64 KiB ROM, seen at 0xf0000 and below 4 GiB.
 */
#define ROM		0xf0000
#define PML4		0x10000
#define PDPT		0x11000
#define PD		0x12000
#define EXIT_PORT	0xf4
#define EXIT_VALUE	0x15
#define ROUNDS		500000		/* enough to tell an emulating KVM from TCG */

	.code16
	.globl _start
_start:
	cli
	movw	$0xf000, %ax
	movw	%ax, %ds
	lgdtl	(gdt_pointer - _start)
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	ljmpl	$0x08, $ROM + (protected - _start)

	.code32
protected:
	movw	$0x10, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	$0x9000, %esp

	/* three tables, then the first GiB in pages of 2 MiB */
	cld
	xorl	%eax, %eax
	movl	$PML4, %edi
	movl	$0xc00, %ecx
	rep stosl
	movl	$PDPT + 3, PML4
	movl	$PD + 3, PDPT
	movl	$0x83, %eax
	movl	$PD, %edi
1:	movl	%eax, (%edi)
	addl	$0x200000, %eax
	addl	$8, %edi
	cmpl	$PD + 0x1000, %edi
	jb	1b

	movl	$PML4, %eax
	movl	%eax, %cr3
	movl	%cr4, %eax
	orl	$0x20, %eax		/* PAE */
	movl	%eax, %cr4
	movl	$0xc0000080, %ecx	/* EFER: long mode */
	rdmsr
	orl	$0x100, %eax
	wrmsr
	movl	%cr0, %eax
	orl	$0x80000000, %eax	/* paging */
	movl	%eax, %cr0
	ljmpl	$0x18, $ROM + (long_mode - _start)

	.code64
long_mode:
	/* touch memory all over, with new translations each round */
	movl	$ROUNDS, %ecx
	movl	$0x200000, %edi
2:	addq	%rcx, (%rdi)
	addl	$0x1040, %edi
	andl	$0x3fffff, %edi
	orl	$0x200000, %edi
	testl	$0x3ff, %ecx
	jnz	3f
	movq	%cr3, %rax
	movq	%rax, %cr3
3:	decl	%ecx
	jnz	2b

	movb	$EXIT_VALUE, %al
	outb	%al, $EXIT_PORT
4:	hlt
	jmp	4b

	.balign	8
gdt:
	.quad	0
	.quad	0x00cf9b000000ffff	/* 0x08: 32-bit code */
	.quad	0x00cf93000000ffff	/* 0x10: data */
	.quad	0x00af9b000000ffff	/* 0x18: 64-bit code */
gdt_pointer:
	.word	. - gdt - 1
	.long	ROM + (gdt - _start)

	.org	0xfff0
	.code16
reset:
	jmp	_start
	.org	0x10000
