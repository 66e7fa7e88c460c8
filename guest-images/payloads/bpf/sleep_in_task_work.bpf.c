// SPDX-License-Identifier: GPL-2.0-only
/* Has another process sleep before it returns to user space. */
#include "sleep_on_page.h"
#include "task_work.h"

static int sleep_own(struct bpf_map *map, void *key, void *value)
{
	(void)map, (void)key, (void)value;
	return sleep_on_page();
}

SEC("tp_btf/sys_enter")
int send_sleep(void *ctx)
{
	(void)ctx;
	return send(tgid, sleep_own);
}
