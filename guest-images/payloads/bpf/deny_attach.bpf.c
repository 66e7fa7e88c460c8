// SPDX-License-Identifier: GPL-2.0-only
/*
 * A policy as Yama's at its strictest, for everybody: who asks to attach is refused, who merely
 * asks to read is not.
 */
#include <linux/bpf.h>
#include <linux/errno.h>
#include <bpf/bpf_helpers.h>

#define PTRACE_MODE_ATTACH 2

/* The hook's arguments, and behind them what the program before this one said. */
enum { CHILD, MODE, SAID };

SEC("lsm/ptrace_access_check")
int deny_attach(__u64 *arguments)
{
	int said = arguments[SAID];

	if (said)
		return said;
	return arguments[MODE] & PTRACE_MODE_ATTACH ? -EPERM : 0;
}

char LICENSE[] SEC("license") = "GPL";
