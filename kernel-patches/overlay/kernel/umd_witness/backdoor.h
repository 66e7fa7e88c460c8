/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The backdoor: what code may try that has taken the handler over. Whether it got away
 * with it, the kernel says: a call outside the allow-list that returned, a reply that is
 * none, memory that it was not given.
 */
#ifndef UMD_WITNESS_BACKDOOR_H
#define UMD_WITNESS_BACKDOOR_H

#define READ_32		3
#define GETPID_32	20
#define GETPID_X32	(0x40000000 | 39)
#define IO_URING_SETUP	425
#define STACK_BYTES	0x100000
#define FLOOD_REPLIES	2000	/* more than a pipe holds */
#define LATE_STEPS	2000000000UL	/* many times the deadline, on any machine */

static long call(long nr, long a, long b, long c, long d)
{
	register long r10 asm("r10") = d;
	long ret;

	asm volatile("syscall" : "=a" (ret) : "a" (nr), "D" (a), "S" (b), "d" (c), "r" (r10)
		     : "rcx", "r11", "memory");
	return ret;
}

static void int80(long nr, long a, long b, long c)
{
	long ret;

	asm volatile("int $0x80" : "=a" (ret) : "a" (nr), "b" (a), "c" (b), "d" (c)
		     : "r8", "r9", "r10", "r11", "memory");
}

/*
 * A forged frame turns an allowed call, rt_sigreturn, into a jump to 32-bit code, which
 * makes a 32-bit call. Only what the kernel restores is laid out: struct ucontext with
 * struct sigcontext_64 in it, in words of eight bytes.
 */
#define UCONTEXT_WORDS	38
#define WORD_SP		20
#define WORD_IP		21
#define WORD_FLAGS	22
#define WORD_SEGMENTS	23
#define USER32_CS	0x23
#define USER_DS		0x2bUL
#define RT_SIGRETURN	15

static __u64 frame[UCONTEXT_WORDS];
__u64 backdoor_sp;
extern char backdoor_32[];

asm(".pushsection .text\n"
	".code32\n"
	"backdoor_32:\n"
	"	mov $20, %eax\n"
	"	int $0x80\n"
	"	ljmp $0x33, $backdoor_64\n"
	".code64\n"
	"backdoor_64:\n"
	"	mov backdoor_sp, %rsp\n"
	"	pop %r15\n"
	"	pop %r14\n"
	"	pop %r13\n"
	"	pop %r12\n"
	"	pop %rbp\n"
	"	pop %rbx\n"
	"	ret\n"
	"backdoor_sigreturn:\n"
	"	push %rbx\n"
	"	push %rbp\n"
	"	push %r12\n"
	"	push %r13\n"
	"	push %r14\n"
	"	push %r15\n"
	"	mov %rsp, backdoor_sp\n"
	"	mov %rdi, %rsp\n"
	"	mov $15, %eax\n"
	"	syscall\n"
	"	hlt\n"
	".popsection\n");

void backdoor_sigreturn(__u64 *frame);

static void forged_sigreturn(void)
{
	frame[WORD_SP] = (__u64)frame;
	frame[WORD_IP] = (__u64)backdoor_32;
	frame[WORD_FLAGS] = 0x202;
	frame[WORD_SEGMENTS] = USER32_CS | USER_DS << 48;
	backdoor_sigreturn(frame);
}

static void grow_stack(void)
{
	char *here = __builtin_frame_address(0);
	long at;

	for (at = 4096; at <= STACK_BYTES; at += 4096)
		asm volatile("movb $1, %0" : "=m" (here[-at]));
}

static void send_noise(unsigned int times)
{
	while (times--)
		send(&sent.reply, sizeof(sent.reply));
}

static void make_call(void)
{
	struct witness_call made;

	__builtin_memcpy(&made, request.body, sizeof(made));
	if (made.is_compat)
		int80(made.number, made.arguments[0], made.arguments[1], made.arguments[2]);
	else
		call(made.number, made.arguments[0], made.arguments[1], made.arguments[2], 0);
}

static void break_out(void)
{
	static __u64 ring_parameters[16];
	unsigned long step;

	if (request.kind != WITNESS_BREAK_OUT)
		return;

	switch (request.body[0]) {
	case WITNESS_OPENAT:
		call(__NR_openat, -100, (long)"/", 0, 0);
		break;
	/* Of no file: that the call is made is all that counts. */
	case WITNESS_INT80:
		int80(GETPID_32, -1, 0, 0);
		break;
	case WITNESS_INT80_READ:
		int80(READ_32, -1, 0, 0);
		break;
	case WITNESS_INT80_NONE:
		int80(-1, -1, 0, 0);
		break;
	case WITNESS_X32:
		call(GETPID_X32, 0, 0, 0, 0);
		break;
	case WITNESS_IO_URING:
		call(IO_URING_SETUP, 8, (long)ring_parameters, 0, 0);
		break;
	case WITNESS_SIGRETURN:
		forged_sigreturn();
		break;
	case WITNESS_STACK:
		grow_stack();
		break;
	case WITNESS_FLOOD:
		send_noise(FLOOD_REPLIES);
		break;
	case WITNESS_CALL:
		make_call();
		break;
	case WITNESS_LATE:
		for (step = 0; step < LATE_STEPS; step++)
			asm volatile("pause");
		break;
	}
}

/* After the reply: more of it than was agreed. */
static void break_out_again(void)
{
	if (request.kind == WITNESS_BREAK_OUT && request.body[0] == WITNESS_OVERSIZED)
		send(&sent.reply, sizeof(sent.reply) / 2);
}

#endif
