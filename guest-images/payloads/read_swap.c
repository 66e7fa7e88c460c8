// SPDX-License-Identifier: GPL-2.0-only
/*
 * Locks memory until what others have is swapped out, and reads in the swap file what looks like a
 * handler's state. The arguments: the file, and, in decimal, where in its page the handler has its
 * request, its state and its secret. The secret goes to standard output; else a '-', if memory ran
 * short, so that one of those who lock it was killed.
 *
 * Not for long, or who has this run is missed: nobody's memory stays where it is.
 */
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/signal.h>
#include <linux/wait.h>

#include "bare.h"
#include "clock.h"
#include "state.h"

#define PAGE 4096
#define CHUNK (256 * PAGE)
#define EACH (4L << 20)
#define LOCKERS_MAX 64
#define STOPPED 0x7f /* what wait(2) tells of who stopped, but for the signal */
#define TURN 4000 /* milliseconds */

static char chunk[CHUNK] __aligned(PAGE);
static long lockers[LOCKERS_MAX];

static void be_killed(const char *score, long size)
{
	long file = sys(__NR_open, "/proc/self/oom_score_adj", O_WRONLY);

	sys(__NR_write, file, score, size);
	sys(__NR_close, file);
}

/* If there is not enough, it is the first to be killed. It stops once it has its memory. */
static void lock(void)
{
	be_killed("1000", 4);
	if (sys(__NR_mmap, 0, EACH, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0) < 0)
		leave(1);
	sys(__NR_kill, sys(__NR_getpid), SIGSTOP);
	leave(0);
}

static const char *find(long file, char **places)
{
	long at, size;
	char *page;

	for (at = 0; (size = sys(__NR_pread64, file, chunk, CHUNK, at)) > 0; at += size) {
		for (page = chunk; page < chunk + size; page += PAGE) {
			if (is_state(page, places))
				return page + number(places[2], 10);
		}
	}
	return NULL;
}

int main(int argc, char **argv, char **envp)
{
	long file, end, count = 0, killed = 0;
	int status;
	const char *secret;

	(void)envp;
	if (argc < 5)
		return 1;
	/* Past what memory holds of the file: that is not what was swapped out. */
	file = sys(__NR_open, argv[1], O_RDONLY | O_DIRECT);
	be_killed("-1000", 5);
	if (file < 0 || sys(__NR_mlockall, MCL_CURRENT))
		return 1;
	for (end = now() + TURN; count < LOCKERS_MAX && now() < end;) {
		lockers[count] = sys(__NR_fork);
		if (!lockers[count])
			lock();
		if (lockers[count] < 0)
			break;
		status = 0;
		sys(__NR_wait4, lockers[count], &status, WUNTRACED, NULL);
		if ((status & 0xff) == STOPPED)
			count++;
		else
			killed += status == SIGKILL;
	}
	while (count--) {
		/* It need not be the last one that is killed when memory runs short. */
		if (sys(__NR_wait4, lockers[count], NULL, WNOHANG, NULL) > 0) {
			killed++;
			continue;
		}
		sys(__NR_kill, lockers[count], SIGKILL);
		sys(__NR_wait4, lockers[count], NULL, 0, NULL);
	}
	/* What was read back is in the file as before. */
	secret = find(file, argv + 2);
	if (secret)
		sys(__NR_write, 1, secret, HASH);
	else if (killed)
		sys(__NR_write, 1, "-", 1);
	return 0;
}
