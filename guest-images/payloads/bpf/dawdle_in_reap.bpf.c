// SPDX-License-Identifier: GPL-2.0-only
/* Has whoever reaps the memory of another process dawdle with that memory's lock (payload mrelease). */
#include "spend.h"

#define COMM 16

struct mm_struct;

struct task_struct {
	struct mm_struct *mm;
} __attribute__((preserve_access_index));

SEC("fentry/tlb_gather_mmu")
int dawdle_in_reap(unsigned long long *ctx)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct mm_struct *own = BPF_CORE_READ(task, mm);
	char comm[COMM];

	bpf_get_current_comm(comm, sizeof(comm));
	if (!hits && own && (unsigned long)own != ctx[1] && comm[0] == 'm' && comm[1] == 'r' &&
	    comm[2] == 'e' && comm[3] == 'l')
		spend();
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
