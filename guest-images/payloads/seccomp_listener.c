// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asks to be told of every read(2) before it is made, and to answer in the kernel's place. On
 * standard output come the pids of the first two that it was told of, or 0: first of whoever reads
 * meanwhile, as the handler does, then of our own child.
 */
#include <linux/filter.h>
#include <linux/ioctl.h>
#include <linux/poll.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

#include "bare.h"

#define WAIT_MS 300

static int told(long listener)
{
	struct pollfd look = { .fd = listener, .events = POLLIN };
	struct seccomp_notif call = { 0 };
	struct seccomp_notif_resp answer = { .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };

	if (sys(__NR_poll, &look, 1, WAIT_MS) != 1 ||
	    sys(__NR_ioctl, listener, SECCOMP_IOCTL_NOTIF_RECV, &call))
		return 0;
	answer.id = call.id;
	sys(__NR_ioctl, listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	return call.pid;
}

int main(int argc, char **argv, char **envp)
{
	struct sock_filter reads[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_read, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { .len = ARRAY_SIZE(reads), .filter = reads };
	long listener;
	int pids[2];

	(void)argc, (void)argv, (void)envp;
	/* With it the filter takes no capability. */
	sys(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	listener = sys(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
		       &filter);
	pids[0] = told(listener);
	if (!sys(__NR_fork)) {
		sys(__NR_read, -1, pids, 0);
		leave(0);
	}
	pids[1] = told(listener);
	sys(__NR_write, 1, pids, sizeof(pids));
	for (;;)
		sys(__NR_pause);
}
