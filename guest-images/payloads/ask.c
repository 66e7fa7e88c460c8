// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asks the handler, through the witness's file and so in a context of its own: ask COUNT [HOW]
 *
 * Begins when a byte comes on standard input, or that has ended; a COUNT of 0 is without end.
 * HOW: `storm`, under a timer's signals, until as many have come; `failing`, where in the first
 * request the first allocation fails, in the second one the second, and so on.
 *
 * Its exit status is the number of requests that were not answered, or NOT_TRIED.
 */
#include <asm/mman.h>
#include <linux/fcntl.h>
#include <linux/signal.h>
#include <linux/time.h>

#include "bare.h"

#define ENTRY "/sys/kernel/security/umd_witness_ask"
#define SHORTLY 100 /* microseconds */
#define NOT_TRIED 255

/* As the kernel takes it on x86-64; <asm/signal.h> shows the C library's. */
struct action {
	void (*handler)(int sig);
	unsigned long flags;
	void (*restorer)(void);
	unsigned long mask;
};

void restore(void);
__asm__(".globl restore\n"
	"restore:\n"
	"	mov $15, %eax\n" /* rt_sigreturn */
	"	syscall\n");

static volatile long signals;

static void count_signal(int sig)
{
	(void)sig;
	signals++;
}

static void start_storm(void)
{
	const struct action action = { count_signal, 0x04000000 /* SA_RESTORER */, restore, 0 };
	const struct itimerval often = { { 0, SHORTLY }, { 0, SHORTLY } };

	sys(__NR_rt_sigaction, SIGALRM, &action, NULL, sizeof(action.mask));
	sys(__NR_setitimer, ITIMER_REAL, &often, NULL);
}

static int same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static int ask(long entry)
{
	return sys(__NR_write, entry, "?", 1) == 1;
}

/* One request whose @nth allocation, of up to nine, fails; whether it was answered, or -1. */
static int ask_failing(long entry, long nth)
{
	long control = sys(__NR_open, "/proc/thread-self/fail-nth", O_RDWR);
	char text = '0' + nth;
	int answered;

	if (sys(__NR_write, control, &text, 1) != 1)
		return -1;
	answered = ask(entry);
	/* Taken back what is left of it, or allocations of the next call count as well. */
	sys(__NR_pwrite64, control, "0", 1, 0);
	sys(__NR_close, control);
	return answered;
}

int main(int argc, char **argv, char **envp)
{
	const char *how = argc > 2 ? argv[2] : "", *digit = argc > 1 ? argv[1] : "1";
	long entry = sys(__NR_open, ENTRY, O_WRONLY), count = 0, i, unanswered = 0;
	int answered;
	char byte;

	(void)envp;
	/* A caller that may have no memory has all that is its own by then. */
	sys(__NR_mlockall, MCL_CURRENT | MCL_FUTURE);
	for (; *digit; digit++)
		count = 10 * count + *digit - '0';
	sys(__NR_read, 0, &byte, 1);
	if (entry < 0)
		return NOT_TRIED;
	if (same(how, "storm"))
		start_storm();
	for (i = 1; !count || i <= count || (same(how, "storm") && signals < count); i++) {
		answered = same(how, "failing") ? ask_failing(entry, i) : ask(entry);
		if (answered < 0)
			return NOT_TRIED;
		unanswered += !answered;
	}
	return unanswered;
}
