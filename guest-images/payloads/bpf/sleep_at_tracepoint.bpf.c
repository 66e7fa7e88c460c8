// SPDX-License-Identifier: GPL-2.0-only
/* Has a process sleep at the tracepoint of its next system call. */
#include "sleep_on_page.h"

SEC("tp_btf/sys_enter")
int sleep_at_tracepoint(void *ctx)
{
	(void)ctx;
	return sleep_on_page();
}
