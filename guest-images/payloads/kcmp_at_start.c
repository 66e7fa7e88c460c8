// SPDX-License-Identifier: GPL-2.0-only
/*
 * kcmp_at_start FILE: calls kcmp(2) for the process that becomes the handler, before it executes the blob, and
 * for another process. kcmp takes the exec_update_lock of both. If it has taken the handler's and waits for
 * the other lock, the exec of the handler waits as well. The pids of what the kernel starts are guessed.
 *
 * The other process waits for its own lock in exec, so nobody else gets the lock. A reader has the lock: it
 * reads a link in /proc of the process to a page of FILE, which the server of the file does not supply.
 *
 * Of two locks, kcmp takes the one at the higher address first. So there are several such processes. Further
 * processes are forked before each start, so that the handler's lock is at another address each time.
 *
 * No other process runs on the second CPU than this program and those that call kcmp.
 *
 * Asked (start.h), it says 'w' if the exec of the handler has waited. It is ready for the next start when it
 * answers.
 */
#include <linux/errno.h>
#include <linux/kcmp.h>
#include <linux/mman.h>
#include <linux/signal.h>
#include <linux/wait.h>

#include "start.h"

#define GUESSES 3
#define FORKS 8
#define OTHERS 8
#define PAGE 4096
#define PATIENCE 500 /* milliseconds, in steps */
#define STEP 10

static long others[OTHERS], comparing[OTHERS];
static char *unanswered;
static volatile struct {
	bool is_held; /* each lock, by a reader */
	long before, compared; /* pids: the last one before the start, and of the latest kcmp */
} *shared;

static void pause_for(long milliseconds)
{
	struct __kernel_timespec time = { .tv_nsec = milliseconds * 1000000 };

	sys(__NR_nanosleep, &time, NULL);
}

static void *map(long file)
{
	return (void *)sys(__NR_mmap, 0, PAGE, PROT_READ | PROT_WRITE,
			   file < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_PRIVATE, file, 0);
}

static void set_priority(int priority)
{
	sys(__NR_sched_setscheduler, 0, SCHED_FIFO, &priority);
}

/* Whether a line of /proc/<pid>/status begins like this. */
static bool has_status(long pid, const char *line)
{
	static char status[2048];
	long file = open_of(pid, "status", O_RDONLY), i;

	memset(status, 0, sizeof(status));
	sys(__NR_read, file, status, sizeof(status) - 1);
	sys(__NR_close, file);
	for (i = 0; status[i]; i++)
		if (begins(status + i, line))
			return true;
	return false;
}

static void exec_when_held(void)
{
	char *const argv[] = { "waits", NULL };

	while (!shared->is_held)
		pause_for(STEP);
	sys(__NR_execve, "/bin/busybox", argv, NULL);
	leave(1);
}

static void hold_lock(long pid)
{
	sys(__NR_readlinkat, open_of(pid, "ns", O_RDONLY), "uts", unanswered, PAGE);
	leave(1);
}

static bool has_ended(void)
{
	return sys(__NR_wait4, -1, NULL, WNOHANG, NULL) != 0;
}

static void start_others(void)
{
	for (int i = 0; i < OTHERS; i++) {
		long reader;

		others[i] = sys(__NR_fork);
		if (!others[i])
			exec_when_held();
		reader = sys(__NR_fork);
		if (!reader)
			hold_lock(others[i]);
		while (has_status(reader, "State:\tR"))
			pause_for(STEP);
	}
	shared->is_held = true;
	pause_for(PATIENCE);
	if (has_ended())
		leave(1);
}

/* A CPU allocates locks from slabs of its own. The handler is forked on the first CPU. */
static void fork_more(void)
{
	unsigned long first = 1;
	long child = sys(__NR_fork);

	if (child) {
		sys(__NR_wait4, child, NULL, 0, NULL);
		return;
	}
	sys(__NR_sched_setaffinity, 0, sizeof(first), &first);
	for (int i = 0; i < FORKS; i++)
		if (!sys(__NR_fork))
			for (;;)
				sys(__NR_pause);
	leave(0);
}

static void compare_with(long other, long loadavg)
{
	for (;;) {
		long last = last_pid(loadavg), pid;

		for (pid = shared->before + 1; pid <= last + GUESSES; pid++) {
			shared->compared = pid;
			if (sys(__NR_kcmp, pid, other, KCMP_VM, 0, 0) != -ESRCH)
				leave(1);
		}
	}
}

/* Of the comparing processes, each runs when the one before it waits in kcmp. */
static void get_ready(long loadavg)
{
	for (int i = 0; i < OTHERS; i++)
		if (comparing[i]) {
			sys(__NR_kill, comparing[i], SIGKILL);
			sys(__NR_wait4, comparing[i], NULL, 0, NULL);
		}
	fork_more();
	shared->compared = 0;
	for (int i = 0; i < OTHERS; i++) {
		comparing[i] = sys(__NR_fork);
		if (!comparing[i]) {
			set_priority(1);
			compare_with(others[i], loadavg);
		}
	}
	shared->before = last_pid(loadavg);
	while (!shared->compared)
		pause_for(STEP);
}

/* Kernel threads ignore all signals. A process changes its name when it executes the blob. */
static bool is_before_exec(long pid)
{
	return is_named(pid, "kworker/") && has_status(pid, "SigIgn:\t0000");
}

/* Watch the next start, until the question. */
static char watch(void)
{
	int waited = 0;

	while (!is_asked(STEP))
		if (is_before_exec(shared->compared))
			waited += STEP;
	return waited < PATIENCE ? '-' : 'w';
}

int main(int argc, char **argv, char **envp)
{
	long loadavg = sys(__NR_open, "/proc/loadavg", O_RDONLY);
	char came = '-';

	(void)envp;
	if (argc < 2)
		return 1;
	unanswered = map(sys(__NR_open, argv[1], O_RDONLY));
	shared = map(-1);
	start_others();
	take_second_cpu();
	set_priority(2);
	do {
		get_ready(loadavg);
		if (!answer_question(came))
			break;
		came = watch();
	} while (came == '-');
	answer_question(came);
	for (;;)
		sys(__NR_pause);
}
