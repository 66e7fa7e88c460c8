// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads memory of a process from a thread of the kernel that runs after it. Such a thread has no memory of
 * its own, and the CPU keeps the page table of the process. bpf_snprintf() reads a byte at a time, since a
 * string ends at the first zero. libbpf would replace bpf_probe_read_user_str() by a function that
 * lockdown refuses.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define SECRET_SIZE 32

struct mm_struct {
	struct task_struct *owner;
} __attribute__((preserve_access_index));

struct task_struct {
	struct mm_struct *mm;
	struct mm_struct *active_mm;
	__u32 tgid;
} __attribute__((preserve_access_index));

const volatile __u32 tgid;
const volatile __u64 address;

static const char format[] = "%pus";

__u32 hits;
__u8 taken[SECRET_SIZE];

SEC("tp_btf/hrtimer_expire_entry")
int read_lazily(void *ctx)
{
	const struct task_struct *thread = (void *)bpf_get_current_task_btf();
	char byte[2];
	__u64 from;
	int i;

	(void)ctx;
	if (hits || thread->mm || thread->active_mm->owner->tgid != tgid)
		return 0;
	for (i = 0; i < SECRET_SIZE; i++) {
		from = address + i;
		if (bpf_snprintf(byte, sizeof(byte), format, &from, sizeof(from)) < 0)
			return 0;
		taken[i] = byte[0];
	}
	hits = 1;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
