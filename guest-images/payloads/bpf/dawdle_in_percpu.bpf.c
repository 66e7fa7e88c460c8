// SPDX-License-Identifier: GPL-2.0-only
/* Has whoever makes a chunk of per-CPU memory dawdle with the lock that each allocation of such memory takes. */
#include "spend.h"

#define MUTEX_FLAGS 7

struct mutex {
	struct {
		long counter;
	} owner;
} __attribute__((preserve_access_index));

extern const void pcpu_alloc_mutex __ksym;

SEC("fentry/alloc_pages_bulk_noprof")
int dawdle_in_percpu(void *ctx)
{
	const struct mutex *mutex = &pcpu_alloc_mutex;
	long owner = BPF_CORE_READ(mutex, owner.counter);

	(void)ctx;
	if (!hits && (owner & ~MUTEX_FLAGS) == (long)bpf_get_current_task())
		spend();
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
