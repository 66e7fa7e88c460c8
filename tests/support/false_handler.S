// SPDX-License-Identifier: GPL-2.0-only
/*
 * In place of a handler's instructions after its call of read(2): reads the rest of a request, and
 * replies what lies at REPLY. The same for each further request.
 */
#include <sys/syscall.h>

#define BELOW	0x4000	/* below the stack pointer: room for a request */

	xor	%ebx, %ebx
	jmp	count	/* what read(2) has returned */
rest:
	mov	$REQUEST_SIZE, %edx
	sub	%ebx, %edx
	jbe	reply
	mov	$SYS_read, %eax
	xor	%edi, %edi
	lea	-BELOW(%rsp), %rsi
	syscall
count:
	test	%eax, %eax
	jle	end
	add	%eax, %ebx
	jmp	rest

reply:
	movabs	$REPLY, %rsi
	mov	$REPLY_SIZE, %ebx
more:
	mov	$SYS_write, %eax
	mov	$1, %edi
	mov	%ebx, %edx
	syscall
	test	%eax, %eax
	jle	end
	add	%rax, %rsi
	sub	%eax, %ebx
	jnz	more
	jmp	rest

end:
	mov	$SYS_exit_group, %eax
	syscall
