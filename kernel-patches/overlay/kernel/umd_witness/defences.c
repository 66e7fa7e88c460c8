// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which defences this kernel has is for its boot parameters to say, so that it can be shown
 * what each of them buys.
 */
#include <linux/bits.h>
#include <linux/cache.h>
#include <linux/init.h>
#include <linux/string.h>
#include <linux/umd_isolation.h>

unsigned long umd_defences __ro_after_init = ~0UL;

bool umd_filters __ro_after_init = IS_ENABLED(CONFIG_SECURITY_UMD_SECCOMP_FILTER);

static int __init umd_isolation_setup(char *value)
{
	if (!strcmp(value, "off")) {
		umd_defences = 0;
	} else if (!strcmp(value, "seccomp-strict")) {
		umd_defences = BIT(UMD_SECCOMP);
		umd_filters = false;
	} else if (!strcmp(value, "seccomp-filter")) {
		umd_defences = BIT(UMD_SECCOMP);
		umd_filters = true;
	} else if (strcmp(value, "on")) {
		return -EINVAL;
	}
	return 0;
}
early_param("umd_isolation", umd_isolation_setup);

static const char * const umd_defence_names[] __initconst = {
	[UMD_ACCESS] = "access",
	[UMD_SIGNALS] = "signals",
	[UMD_SCHED] = "sched",
	[UMD_CGROUPS] = "cgroups",
	[UMD_FREEZER] = "freezer",
	[UMD_OOM] = "oom",
	[UMD_FUTEX] = "futex",
	[UMD_BPF] = "bpf",
	[UMD_PROBES] = "probes",
	[UMD_PERF] = "perf",
	[UMD_AUDIT] = "audit",
	[UMD_FAULTS] = "faults",
	[UMD_PAGES] = "pages",
	[UMD_PIPES] = "pipes",
	[UMD_EXEC] = "exec",
	[UMD_IMAGE] = "image",
	[UMD_LOCKED] = "locked",
	[UMD_INHERITED] = "inherited",
	[UMD_CAPS] = "caps",
	[UMD_FRAMING] = "framing",
	[UMD_SECCOMP] = "seccomp",
};

static int __init umd_without_setup(char *value)
{
	int defence = match_string(umd_defence_names, UMD_DEFENCES, value);

	if (defence < 0)
		return defence;
	umd_defences &= ~BIT(defence);
	return 0;
}
early_param("umd_without", umd_without_setup);
