// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has the next driver dawdle between exec, which gave it memory, and the locking of that: until
 * some of it is on a swap device, or too much time has passed. Another CPU has to see to that meanwhile.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define CPUS 2
#define MM_SWAPENTS 2 /* include/linux/mm_types_task.h */
#define STEPS (1 << 23)
#define PATIENCE 700000000ULL /* nanoseconds */

struct percpu_counter {
	int *counters;
} __attribute__((preserve_access_index));

struct mm_struct {
	struct percpu_counter rss_stat[4];
} __attribute__((preserve_access_index));

/* Before 6.2: one counter for all CPUs. */
struct mm_rss_stat {
	struct {
		long counter;
	} count[4];
} __attribute__((preserve_access_index));

struct mm_struct___one_for_all {
	struct mm_rss_stat rss_stat;
} __attribute__((preserve_access_index));

struct task_struct {
	struct mm_struct *mm;
} __attribute__((preserve_access_index));

extern const void __per_cpu_offset __ksym; /* of unsigned long */

struct dawdling {
	const char *counters; /* of each CPU */
	const long *counter;  /* or of all of them */
	__u64 deadline;
};

__u32 hits;

static long is_swapped(const struct dawdling *dawdling)
{
	unsigned long offset;
	int cpu, value, sum = 0;
	long all = 0;

	if (dawdling->counter) {
		bpf_probe_read_kernel(&all, sizeof(all), dawdling->counter);
		return all > 0;
	}
	for (cpu = 0; cpu < CPUS; cpu++) {
		offset = value = 0;
		bpf_probe_read_kernel(&offset, sizeof(offset),
				      (const unsigned long *)&__per_cpu_offset + cpu);
		bpf_probe_read_kernel(&value, sizeof(value), dawdling->counters + offset);
		sum += value;
	}
	return sum > 0;
}

static long step(__u32 number, void *context)
{
	struct dawdling *dawdling = context;

	(void)number;
	return is_swapped(dawdling) || bpf_ktime_get_ns() > dawdling->deadline;
}

SEC("kprobe/umd_confine_exec")
int dawdle_unlocked(void *ctx)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct dawdling dawdling = { .deadline = bpf_ktime_get_ns() + PATIENCE };
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	struct mm_struct___one_for_all *former = (void *)mm;

	(void)ctx;
	if (hits)
		return 0;
	hits = 1;
	if (bpf_core_type_exists(struct mm_rss_stat))
		dawdling.counter = &former->rss_stat.count[MM_SWAPENTS].counter;
	else
		dawdling.counters = (const char *)BPF_CORE_READ(mm, rss_stat[MM_SWAPENTS].counters);
	bpf_loop(STEPS, step, &dawdling, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
