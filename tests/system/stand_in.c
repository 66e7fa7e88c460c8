// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stops each handler and answers in its place. It has the handler's pipes open only while no other
 * task runs: the guest has one CPU, and this program a higher priority than the witness. It gives
 * the handler the request and the chain that it would have.
 *
 * Arguments: the handler's pid, and the addresses of its variables secret, chain and request.
 */
#include <stdbool.h>

#include <asm/ioctls.h>
#include <linux/fcntl.h>
#include <linux/sched.h>
#include <linux/uio.h>

#include "answer.h"
#include "bare.h"
#include "number.h"
#include "start.h"

#define SIGSTOP	19
#define PAUSE_NS	500000
#define NAME	"umd_witness_umh"

static unsigned long secret_at, chain_at, request_at;
static __u8 secret[WITNESS_HASH_SIZE], chain[WITNESS_HASH_SIZE];
static struct witness_message request, reply;

static void wait_briefly(void)
{
	struct __kernel_timespec time = { .tv_nsec = PAUSE_NS };

	sys(__NR_nanosleep, &time, 0);
}

static long move(long call, long pid, unsigned long at, void *buffer, unsigned long size)
{
	struct iovec ours = { buffer, size }, theirs = { (void *)at, size };

	return sys(call, pid, &ours, 1, &theirs, 1, 0);
}

static void get(long pid, unsigned long at, void *to, unsigned long size)
{
	move(__NR_process_vm_readv, pid, at, to, size);
}

static void put(long pid, unsigned long at, void *from, unsigned long size)
{
	move(__NR_process_vm_writev, pid, at, from, size);
}

/* The third field of /proc/<pid>/stat, or 0. */
static char state_of(long pid)
{
	long file = open_of(pid, "stat", O_RDONLY), i;

	memset(text, 0, sizeof(text));
	sys(__NR_read, file, text, sizeof(text) - 3);
	sys(__NR_close, file);
	for (i = 0; text[i]; i++) {
		if (text[i] == ')')
			return text[i + 2];
	}
	return 0;
}

static void answer(long pid, long process)
{
	long out = sys(__NR_pidfd_getfd, process, 1, 0);

	witness_answer(chain, secret, &request, &reply);
	put(pid, chain_at, chain, sizeof(chain));
	put(pid, request_at, &request, sizeof(request));
	sys(__NR_write, out, &reply, sizeof(reply));
	sys(__NR_close, out);
}

/* Stop a handler that waits for a request. A request that it has read meanwhile is answered. */
static void stop(long pid, long process)
{
	__u32 last;

	get(pid, request_at, &request, sizeof(request));
	last = request.number;
	sys(__NR_kill, pid, SIGSTOP);
	while (state_of(pid) != 'T' && state_of(pid))
		wait_briefly();
	get(pid, secret_at, secret, sizeof(secret));
	get(pid, chain_at, chain, sizeof(chain));
	get(pid, request_at, &request, sizeof(request));
	if (request.number != last)
		answer(pid, process);
}

#ifdef FLICKER
/* Give the handler another secret, and its own again, in turn. */
static void flicker(long pid)
{
	static unsigned int turn;
	__u8 shown[WITNESS_HASH_SIZE];
	int i;

	if (turn++ % FLICKER)
		return;
	for (i = 0; i < WITNESS_HASH_SIZE; i++)
		shown[i] = turn / FLICKER % 2 ? secret[i] ^ 0xff : secret[i];
	put(pid, secret_at, shown, sizeof(shown));
}
#endif

/* Answer in the place of a handler until it ends. */
static void stand_in_for(long pid)
{
	long process = sys(__NR_pidfd_open, pid, 0), in;
	int waiting;

	stop(pid, process);
	while ((in = sys(__NR_pidfd_getfd, process, 0, 0)) >= 0) {
		if (!sys(__NR_ioctl, in, FIONREAD, &waiting) && waiting >= (int)sizeof(request)) {
			sys(__NR_read, in, &request, sizeof(request));
			answer(pid, process);
		}
		sys(__NR_close, in);
#ifdef FLICKER
		flicker(pid);
#endif
		wait_briefly();
	}
	sys(__NR_close, process);
}

/* Whether a process is a handler that has its secret and waits for a request. */
static bool is_handler(long pid)
{
	__u32 kind = 0;

	if (!is_named(pid, NAME) || state_of(pid) != 'S')
		return false;
	get(pid, request_at, &kind, sizeof(kind));
	return kind;
}

int main(int argc, char **argv, char **envp)
{
	long pids = sys(__NR_open, "/proc/loadavg", O_RDONLY), pid, first;
	int priority = 99;

	(void)envp;
	if (argc != 5 || sys(__NR_sched_setscheduler, 0, SCHED_FIFO, &priority))
		return 1;
	first = number(argv[1], 10);
	secret_at = number(argv[2], 10);
	chain_at = number(argv[3], 10);
	request_at = number(argv[4], 10);
	for (;;) {
		for (pid = first; pid <= last_pid(pids); pid++) {
			if (!is_handler(pid))
				continue;
			first = pid + 1;
			stand_in_for(pid);
		}
		wait_briefly();
	}
}
