// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has another process run a part of this program before it returns to user space, and overwrite
 * its own memory there. Anybody's next system call sends it on its way.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* Whole, for their names to be looked up; what is in them is not asked. */
struct task_struct {
	int tgid;
} __attribute__((preserve_access_index));

struct bpf_map {
	__u32 id;
} __attribute__((preserve_access_index));

/* As in the uapi header of Linux 6.18. */
struct bpf_task_work {
	__u64 opaque;
} __attribute__((aligned(8)));

struct errand {
	struct bpf_task_work work;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct errand);
} errands SEC(".maps");

struct task_struct *bpf_task_from_pid(__s32 pid) __ksym;
void bpf_task_release(struct task_struct *task) __ksym;
int bpf_task_work_schedule_signal(struct task_struct *task, struct bpf_task_work *work, void *map,
				  int (*run)(struct bpf_map *, void *, void *)) __ksym;

const volatile __u32 tgid;
const volatile __u64 address;
const volatile __u8 bytes[32];

__u32 hits;
__u32 sent;

static int write_own(struct bpf_map *map, void *key, void *value)
{
	(void)map, (void)key, (void)value;
	if (!bpf_probe_write_user((void *)address, (const void *)bytes, sizeof(bytes)))
		__sync_fetch_and_add(&hits, 1);
	return 0;
}

SEC("tp_btf/sys_enter")
int send(void *ctx)
{
	struct task_struct *task;
	struct errand *errand;
	__u32 first = 0;

	(void)ctx;
	if (sent)
		return 0;
	errand = bpf_map_lookup_elem(&errands, &first);
	task = bpf_task_from_pid(tgid);
	if (!task)
		return 0;
	if (errand && !bpf_task_work_schedule_signal(task, &errand->work, &errands, write_own))
		sent = 1;
	bpf_task_release(task);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
