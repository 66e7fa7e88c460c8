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
	[UMD_PTRACE] = "ptrace",
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

/* The bits of a defence: "access" is all access, "ptrace" the part with ptrace's check. */
static unsigned long __init umd_defence_bits(const char *name)
{
	int defence = match_string(umd_defence_names, UMD_DEFENCES, name);

	if (defence < 0)
		return 0;
	return BIT(defence) | (defence == UMD_ACCESS ? BIT(UMD_PTRACE) : 0);
}

static int __init umd_without_setup(char *value)
{
	unsigned long bits = umd_defence_bits(value);

	if (!bits)
		return -EINVAL;
	umd_defences &= ~bits;
	return 0;
}
early_param("umd_without", umd_without_setup);

/* A list with commas of those that are left. A name that is not known leaves all of them. */
static int __init umd_only_setup(char *value)
{
	unsigned long only = 0;
	char *name;

	while ((name = strsep(&value, ","))) {
		unsigned long bits = umd_defence_bits(name);

		if (!bits)
			return -EINVAL;
		only |= bits;
	}
	umd_defences &= only;
	return 0;
}
early_param("umd_only", umd_only_setup);
