// SPDX-License-Identifier: GPL-2.0-only
/* Has a process sleep when it enters read(2). */
#include "sleep_on_page.h"

SEC("fentry.s/__x64_sys_read")
int sleep_in_call(void *ctx)
{
	(void)ctx;
	return sleep_on_page();
}
