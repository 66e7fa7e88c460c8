// SPDX-License-Identifier: GPL-2.0-only
/*
 * Seizes the process that becomes the handler: when it has been forked, before it has the blob.
 * Guesses the pids of what the kernel starts.
 *
 * It has a real-time policy and sleeps only briefly: on a single CPU it then runs in between the
 * fork and what was forked, if the fork takes long enough (bpf/dawdle.bpf.c).
 *
 * Asked (start.h), it says 't' if it traced the handler (the argument, its name) through exec, as it
 * then goes on to do, or 'r' if a process that it had seized was not let exec.
 *
 * With an address (hexadecimal) as the second argument, it is asked once more. It then overwrites 32
 * bytes of the handler's there, and says 't'. If the handler has died, it says '-' and looks out for
 * the next start.
 */
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "start.h"

#define PATIENCE 250 /* milliseconds */
#define GUESSES 3
#define STOPPED 0x7f
#define EXECUTED (5 | PTRACE_EVENT_EXEC << 8) /* SIGTRAP */
#define WORDS 4
#define O_EXEC (1 << PTRACE_EVENT_EXEC)

/* A small part of the dawdling, and long enough for others to get on meanwhile. */
static const struct __kernel_timespec shortly = { .tv_nsec = 100000 };

static void let_go(long pid)
{
	int status;

	if (!sys(__NR_ptrace, PTRACE_INTERRUPT, pid, 0, 0))
		sys(__NR_wait4, pid, &status, __WALL, NULL);
	sys(__NR_ptrace, PTRACE_DETACH, pid, 0, 0);
}

static long traced;

static char follow(long pid, const char *name)
{
	int status, is_new = is_named(pid, "kworker/");
	long deadline = now() + PATIENCE;

	while (now() < deadline) {
		sys(__NR_nanosleep, &shortly, NULL);
		if (sys(__NR_wait4, pid, &status, __WALL | WNOHANG, NULL) != pid)
			continue;
		if ((status & 0xff) != STOPPED)
			return is_new ? 'r' : '-';
		if (status >> 8 == EXECUTED && is_named(pid, name)) {
			sys(__NR_ptrace, PTRACE_CONT, pid, 0, 0);
			traced = pid;
			return 't';
		}
		sys(__NR_ptrace, PTRACE_DETACH, pid, 0, 0);
		return '-';
	}
	let_go(pid);
	return '-';
}

static char catch(const char *name, long loadavg)
{
	long before = last_pid(loadavg), pid;
	char came;

	while (!is_asked(0)) {
		long last = last_pid(loadavg);

		sys(__NR_nanosleep, &shortly, NULL);
		for (pid = last - GUESSES; pid <= last + GUESSES; pid++) {
			if (pid <= before || sys(__NR_ptrace, PTRACE_SEIZE, pid, 0, O_EXEC))
				continue;
			came = follow(pid, name);
			if (came != '-')
				return came;
			before = pid;
		}
	}
	return '-';
}

static unsigned long from_hex(const char *digits)
{
	unsigned long value = 0;

	for (; *digits; digits++)
		value = value << 4 | (*digits > '9' ? *digits - 'a' + 10 : *digits - '0');
	return value;
}

/* Returns false if the handler has died. */
static bool overwrite(unsigned long address)
{
	int status, i;
	long ret;

	sys(__NR_ptrace, PTRACE_INTERRUPT, traced, 0, 0);
	sys(__NR_wait4, traced, &status, __WALL, NULL);
	for (i = 0, ret = 0; i < WORDS; i++)
		ret |= sys(__NR_ptrace, PTRACE_POKEDATA, traced, address + i * sizeof(long), -1L);
	sys(__NR_ptrace, PTRACE_CONT, traced, 0, 0);
	return !ret;
}

/* Until it has died: with its priority, this process would leave the CPU to nobody. */
static void go_on_tracing(void)
{
	int status;
	long pid;

	while ((pid = sys(__NR_wait4, -1, &status, __WALL, NULL)) > 0)
		sys(__NR_ptrace, PTRACE_CONT, pid, 0, 0);
}

int main(int argc, char **argv, char **envp)
{
	long loadavg = sys(__NR_open, "/proc/loadavg", O_RDONLY);
	int priority = 1;
	char came;

	(void)envp;
	sys(__NR_sched_setscheduler, 0, SCHED_FIFO, &priority);
	do {
		came = catch(argv[1], loadavg);
		if (!answer_question(came))
			return 0;
		if (came == 't' && argc > 2 && wait_for_question()) {
			came = overwrite(from_hex(argv[2])) ? 't' : '-';
			say(came);
		}
	} while (came == '-');
	if (came == 't')
		go_on_tracing();
	return 0;
}
