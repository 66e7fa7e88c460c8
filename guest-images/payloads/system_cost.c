// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has the kernel do the same thing again and again: system_cost OPERATION COUNT ROUNDS
 *
 * For each round it prints how far the processor's counter went while it was done COUNT times.
 * With no argument it ends at once: that is what it executes.
 */
#include <asm/signal.h>
#include <linux/fcntl.h>
#include <linux/mman.h>

#include "bare.h"
#include "number.h"

#define PAGE 4096
#define PAGES 64
#define FILES 26

#define SIGNAL_RETURN 0x04000000 /* SA_RESTORER, which the kernel's headers hide */

static char page[PAGE], *area, *self;
static long here[2], there[2], files[FILES], file, partner, turn;

static inline unsigned long counter(void)
{
	unsigned int low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (unsigned long)high << 32 | low;
}

static void on_signal(int number)
{
	(void)number;
}

void signal_return(void);
__asm__("signal_return:\n"
	"	mov $15, %eax\n" /* rt_sigreturn */
	"	syscall\n");

static void set_action(int number, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler };

	action.sa_flags = SIGNAL_RETURN;
	action.sa_restorer = signal_return;
	sys(__NR_rt_sigaction, number, &action, NULL, sizeof(action.sa_mask));
}

/* A hundred instructions, each of which takes a processor many times a nanosecond. */
static int hundred(void)
{
	__asm__ volatile("fld1\n\t.rept 98\n\tfsin\n\t.endr\n\tfstp %%st(0)" ::: "st");
	return 0;
}

static int fork_and(int execute)
{
	char *argv[] = { self, NULL };
	long child = sys(__NR_fork);
	int status;

	if (!child) {
		if (execute)
			sys(__NR_execve, self, argv, argv + 1);
		leave(execute);
	}
	return sys(__NR_wait4, child, &status, 0, NULL) != child || status;
}

static int fork_exit(void)
{
	return fork_and(0);
}

static int fork_exec(void)
{
	return fork_and(1);
}

static int ping_pong(void)
{
	return sys(__NR_write, there[1], page, 1) != 1 || sys(__NR_read, here[0], page, 1) != 1;
}

static int yield(void)
{
	return sys(__NR_sched_yield) != 0;
}

static int send_signal(void)
{
	return sys(__NR_kill, sys(__NR_getpid), SIGUSR1) != 0;
}

static int fault(void)
{
	if (turn++ % PAGES == 0 && sys(__NR_madvise, area, PAGES * PAGE, MADV_DONTNEED))
		return 1;
	((volatile char *)area)[turn % PAGES * PAGE] = 1;
	return 0;
}

static int read_file(void)
{
	return sys(__NR_pread64, file, page, PAGE, 0) != PAGE;
}

static int write_file(void)
{
	return sys(__NR_pwrite64, file, page, PAGE, 0) != PAGE;
}

/*
 * Closes the file that has been open for longest. To close the newest file is slower in machines where
 * that file is, by chance, the last object of its slab.
 */
static int open_file(void)
{
	static unsigned int next;
	long *oldest = files + next;
	char name[] = { 'a' + next, 0 };

	next = (next + 1) % FILES;
	if (sys(__NR_close, *oldest))
		return 1;
	*oldest = sys(__NR_open, name, O_RDONLY);
	return *oldest < 0;
}

static int call(void)
{
	return sys(__NR_getppid) < 0;
}

/* Of the library's self-test, whose module has to be there. */
static int request(void)
{
	static const char lengths[] = "64 64";
	static long driver;

	if (!driver)
		driver = sys(__NR_open, "/sys/kernel/security/umd_selftest", O_WRONLY);
	return sys(__NR_write, driver, lengths, sizeof(lengths) - 1) != sizeof(lengths) - 1;
}

static void answer(void)
{
	while (sys(__NR_read, there[0], page, 1) == 1)
		sys(__NR_write, here[1], page, 1);
}

static void take_turns(void)
{
	for (;;)
		sys(__NR_sched_yield);
}

static const struct {
	const char *name;
	int (*once)(void);
	void (*partner)(void);
} operations[] = {
	{ "hundred", hundred, NULL },
	{ "system-call", call, NULL },
	{ "fork-exit", fork_exit, NULL },
	{ "fork-exec", fork_exec, NULL },
	{ "pipe", ping_pong, answer },
	{ "switch", yield, take_turns },
	{ "signal", send_signal, NULL },
	{ "page-fault", fault, NULL },
	{ "open", open_file, NULL },
	{ "read", read_file, NULL },
	{ "write", write_file, NULL },
	{ "request", request, NULL },
};

static int is_same(const char *one, const char *other)
{
	while (*one && *one == *other)
		one++, other++;
	return *one == *other;
}

static void print(unsigned long value)
{
	char digits[24], *at = digits + sizeof(digits);

	*--at = '\n';
	do {
		*--at = '0' + value % 10;
	} while (value /= 10);
	sys(__NR_write, 1, at, digits + sizeof(digits) - at);
}

static int prepare(void)
{
	long flags = MAP_PRIVATE | MAP_ANONYMOUS;
	char name[] = "a";
	int i;

	sys(__NR_mkdir, "/tmp/files", 0700); /* unless an earlier run has */
	if (sys(__NR_chdir, "/tmp/files"))
		return 1;
	for (i = 0; i < FILES; i++, ++*name)
		files[i] = sys(__NR_open, name, O_RDONLY | O_CREAT, 0600);

	set_action(SIGCHLD, SIG_DFL); /* the agent's is to ignore it */
	set_action(SIGUSR1, on_signal);
	area = (char *)sys(__NR_mmap, NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
	file = sys(__NR_open, "/tmp/system_cost.data", O_RDWR | O_CREAT | O_TRUNC, 0600);
	return (long)area < 0 || file < 0 || write_file();
}

static int start_partner(void (*work)(void))
{
	int pair[4];

	if (sys(__NR_pipe, pair) || sys(__NR_pipe, pair + 2))
		return 1;
	here[0] = pair[0], here[1] = pair[1], there[0] = pair[2], there[1] = pair[3];
	partner = sys(__NR_fork);
	if (!partner) {
		work();
		leave(0);
	}
	return partner < 0;
}

int main(int argc, char **argv, char **envp)
{
	unsigned long count, rounds, start, i;
	size_t which = 0;

	(void)envp;
	if (argc < 4)
		return 0;
	self = argv[0];
	count = number(argv[2], 10);
	rounds = number(argv[3], 10);
	while (which < ARRAY_SIZE(operations) && !is_same(operations[which].name, argv[1]))
		which++;
	if (which == ARRAY_SIZE(operations) || prepare())
		return 1;
	if (operations[which].partner && start_partner(operations[which].partner))
		return 2;
	while (rounds--) {
		start = counter();
		for (i = 0; i < count; i++) {
			if (operations[which].once())
				return 3;
		}
		print(counter() - start);
	}
	if (partner)
		sys(__NR_kill, partner, SIGKILL);
	return 0;
}
