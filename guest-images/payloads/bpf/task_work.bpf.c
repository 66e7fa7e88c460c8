// SPDX-License-Identifier: GPL-2.0-only
/* Has another process overwrite its own memory before it returns to user space. */
#include "task_work.h"

const volatile __u32 tgid;
const volatile __u64 address;
const volatile __u8 bytes[32];

__u32 hits;

static int write_own(struct bpf_map *map, void *key, void *value)
{
	(void)map, (void)key, (void)value;
	if (!bpf_probe_write_user((void *)address, (const void *)bytes, sizeof(bytes)))
		__sync_fetch_and_add(&hits, 1);
	return 0;
}

SEC("tp_btf/sys_enter")
int send_write(void *ctx)
{
	(void)ctx;
	return send(tgid, write_own);
}

char LICENSE[] SEC("license") = "GPL";
