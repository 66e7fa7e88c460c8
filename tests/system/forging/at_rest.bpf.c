// SPDX-License-Identifier: GPL-2.0-only
/*
 * While the handler waits for a request, it has another secret. Before it gets one, it has its own
 * again: all its replies are right.
 */
#include <asm/unistd.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#define SIZE 32

const volatile __u32 tgid;
const volatile __u64 address;

__u32 hits;
static __u8 secret[SIZE];
static bool is_inverted;

static bool is_handler(void)
{
	return bpf_get_current_pid_tgid() >> 32 == tgid;
}

/* It is attached first: no secret stays inverted. */
SEC("raw_tp/sys_exit")
int restore(void *ctx)
{
	(void)ctx;
	if (!is_handler() || !is_inverted)
		return 0;
	bpf_probe_write_user((void *)address, secret, SIZE);
	is_inverted = false;
	return 0;
}

SEC("raw_tp/sys_enter")
int invert(struct bpf_raw_tracepoint_args *ctx)
{
	__u8 other[SIZE];
	int i;

	if (!is_handler() || ctx->args[1] != __NR_read || is_inverted)
		return 0;
	if (bpf_probe_read_user(secret, SIZE, (void *)address))
		return 0;
	for (i = 0; i < SIZE; i++)
		other[i] = secret[i] ^ 0xff;
	if (!bpf_probe_write_user((void *)address, other, SIZE)) {
		is_inverted = true;
		hits++;
	}
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
