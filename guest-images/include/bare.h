/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Start code and raw system calls for guest programs without a C library.
 *
 * Why no libc: under TCG a block of code is translated when it first runs, and a static
 * glibc runs thousands of blocks before main(). modprobe and the attackers' payloads run
 * inside the time of a cell. It also keeps errno, locks and fork handlers out of a program
 * whose job is to pass system calls on unaltered. x86-64 only.
 *
 * Include it once, in the file that defines main().
 */
#ifndef BARE_H
#define BARE_H

#include <asm/unistd.h>
#include <stddef.h>

/* The kernel's own names for these. (A system header may define one or the other.) */
#undef __aligned
#define __aligned(n) __attribute__((aligned(n)))
#undef __used
#define __used __attribute__((used))
#undef __noreturn
#define __noreturn __attribute__((noreturn))
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

int main(int argc, char **argv, char **envp);

static inline long sys_raw(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#define sys_pad(nr, a, b, c, d, e, f, ...) \
	sys_raw((long)(nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* sys(number, up to six arguments): the kernel's own answer, -errno included. */
#define sys(...) sys_pad(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

/* The compiler may call these two whatever the flags say: they must be real functions. */
__used void *memcpy(void *to, const void *from, size_t size)
{
	void *start = to;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
	return start;
}

__used void *memset(void *at, int byte, size_t size)
{
	void *start = at;

	__asm__ volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(byte) : "memory");
	return start;
}

static inline __noreturn void leave(int status)
{
	for (;;)
		sys(__NR_exit_group, status);
}

/* The kernel enters with argc, argv[], NULL, envp[] on the stack, which the ABI wants aligned. */
__asm__(".globl _start\n"
	"_start:\n"
	"	xor %ebp, %ebp\n"
	"	mov %rsp, %rdi\n"
	"	and $-16, %rsp\n"
	"	call bare_start\n");

static __used __noreturn void bare_start(long *stack)
{
	char **argv = (char **)(stack + 1);

	leave(main((int)stack[0], argv, argv + stack[0] + 1));
}

#endif
