// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asks for many keys at once that nobody has: for each, the kernel starts a helper (wait_at_gate)
 * and waits for its end.
 *
 * Each task that asks shares this process's memory and stack, which would take most of the time to
 * copy, and therefore does nothing but the two system calls.
 *
 * Writes a newline when all keys are being asked for. After a byte from standard input, lets eight
 * helpers at a time end: if all ended at once, the rest of the system would be slow. Writes a point
 * for every eight keys on the way, so that no read waits for long.
 */
#include <linux/fcntl.h>
#include <linux/sched.h>
#include <linux/time_types.h>
#include <linux/wait.h>

#include "bare.h"

#define KEYS 520 /* WQ_MAX_ACTIVE of include/linux/workqueue.h, and some */
#define STEP 8

static char descriptions[KEYS][8];
static volatile int asked;
static const struct __kernel_timespec shortly = { .tv_nsec = 1000000 };

/* Return in the parent only. */
static void ask(const char *description)
{
	register long r10 __asm__("r10") = 0;
	long ret;

	__asm__ volatile("syscall\n"
			 "	test %%eax, %%eax\n"
			 "	jnz 1f\n"
			 "	lock incl %[asked]\n"
			 "	mov %[request_key], %%eax\n"
			 "	mov %[type], %%rdi\n"
			 "	mov %[description], %%rsi\n"
			 "	mov %[info], %%rdx\n"
			 "	syscall\n"
			 "	mov %[exit], %%eax\n"
			 "	syscall\n"
			 "1:"
			 : "=a"(ret), [asked] "+m"(asked)
			 : "a"(__NR_clone), "D"(CLONE_VM | CLONE_FILES | CLONE_FS), "S"(0), "d"(0),
			   "r"(r10), [request_key] "i"(__NR_request_key), [exit] "i"(__NR_exit),
			   [type] "r"("user"), [info] "r"(""), [description] "r"(description)
			 : "rcx", "r11", "memory");
}

int main(int argc, char **argv, char **envp)
{
	long gate;
	char byte;
	int i;

	(void)argc, (void)argv, (void)envp;
	for (i = 0; i < KEYS; i++) {
		descriptions[i][0] = 'c';
		descriptions[i][1] = '0' + i / 100;
		descriptions[i][2] = '0' + i / 10 % 10;
		descriptions[i][3] = '0' + i % 10;
		ask(descriptions[i]);
		if (i % STEP == 0)
			sys(__NR_write, 1, ".", 1);
		sys(__NR_nanosleep, &shortly, NULL); /* or all start at once, and slow the rest */
	}
	while (asked < KEYS)
		sys(__NR_nanosleep, &shortly, NULL);
	sys(__NR_write, 1, "\n", 1);

	sys(__NR_read, 0, &byte, 1);
	gate = sys(__NR_open, "/tmp/gate", O_RDWR);
	for (i = 0; i < KEYS; i++) {
		if (i % STEP == 0)
			sys(__NR_write, gate, "........", STEP);
		sys(__NR_wait4, -1, 0, __WALL, 0);
		if (i % STEP == 0)
			sys(__NR_write, 1, ".", 1);
	}
	return 0;
}
