// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a user mode driver is set up with before any of its code runs: the mark
 * that keeps others away, seccomp, memory that stays where it is, and nothing
 * that its parent, a kernel thread within root's reach, may have passed on.
 */
#include <linux/audit.h>
#include <linux/bits.h>
#include <linux/cache.h>
#include <linux/capability.h>
#include <linux/cpumask.h>
#include <linux/cred.h>
#include <linux/filter.h>
#include <linux/init.h>
#include <linux/iocontext.h>
#include <linux/ioprio.h>
#include <linux/mm.h>
#include <linux/oom.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/seccomp.h>
#include <linux/string.h>
#include <linux/umd_confine.h>
#include <linux/umd_isolation.h>

#define UMD_MARK		BIT(0)	/* what the umd LSM goes by */
#define UMD_RESOURCES		BIT(1)	/* limits, scheduling, memory */
#define UMD_SECCOMP_STRICT	BIT(2)
#define UMD_SECCOMP_FILTER	BIT(3)

#define UMD_CONFINE_ALL	(UMD_MARK | UMD_RESOURCES | \
			 (IS_ENABLED(CONFIG_SECURITY_UMD_SECCOMP_FILTER) ? \
			  UMD_SECCOMP_FILTER : UMD_SECCOMP_STRICT))

#ifdef CONFIG_UMD_WITNESS
/* Measuring what each part buys takes a kernel without the others. */
static unsigned int umd_confine __ro_after_init = UMD_CONFINE_ALL;

static int __init umd_isolation_setup(char *value)
{
	if (!strcmp(value, "off"))
		umd_confine = 0;
	else if (!strcmp(value, "seccomp-strict"))
		umd_confine = UMD_SECCOMP_STRICT;
	else if (!strcmp(value, "seccomp-filter"))
		umd_confine = UMD_SECCOMP_FILTER;
	else if (strcmp(value, "on"))
		return -EINVAL;
	return 0;
}
early_param("umd_isolation", umd_isolation_setup);
#else
#define umd_confine	UMD_CONFINE_ALL
#endif

/*
 * The parent is a kworker, and root may have changed its limits, policy, CPUs,
 * I/O priority and slack. Those of init_task, which has no pid, nobody can change.
 */
static void umd_reset_inherited(void)
{
	task_lock(current->group_leader);
	memcpy(current->signal->rlim, init_task.signal->rlim, sizeof(current->signal->rlim));
	task_unlock(current->group_leader);

	sched_set_normal(current, 0);
	set_cpus_allowed_ptr(current, cpu_possible_mask);
#ifdef CONFIG_BLOCK
	if (current->io_context)
		current->io_context->ioprio = IOPRIO_DEFAULT;
#endif
	current->default_timer_slack_ns = init_task.timer_slack_ns;
	current->timer_slack_ns = init_task.timer_slack_ns;
}

/*
 * It needs none, and those of a usermode helper are root's to take away. Exec gives
 * uid 0 what its bounding set has.
 */
static void umd_drop_capabilities(struct cred *new)
{
	cap_clear(new->cap_inheritable);
	cap_clear(new->cap_permitted);
	cap_clear(new->cap_effective);
	cap_clear(new->cap_bset);
	cap_clear(new->cap_ambient);
}

static void umd_spare_from_oom(void)
{
	current->signal->oom_score_adj = OOM_SCORE_ADJ_MIN;
	current->signal->oom_score_adj_min = OOM_SCORE_ADJ_MIN;
}

#ifdef SECCOMP_ARCH_NATIVE
/* Another architecture's calls are not these, nor are x32's: their numbers differ. */
static struct sock_filter umd_filter[] __ro_after_init = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SECCOMP_ARCH_NATIVE, 0, 7),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_read, 6, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_write, 5, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_close, 4, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_exit, 3, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_exit_group, 2, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_rt_sigreturn, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static int umd_set_filter(void)
{
	struct sock_fprog_kern fprog = {
		.len = ARRAY_SIZE(umd_filter),
		.filter = umd_filter,
	};

	return seccomp_set_kernel_filter(&fprog);
}
#else
static int umd_set_filter(void)
{
	return -EOPNOTSUPP;
}
#endif

/**
 * umd_confine_current - set the current task up to become a user mode driver
 * @new: the credentials that it will have
 *
 * Before its first pipe exists, and before exec. The mark comes first, so that
 * nobody changes back what is set after it.
 *
 * Return: 0, or why the driver must not be started.
 */
int umd_confine_current(struct cred *new)
{
	int ret;

	if (umd_confine & UMD_MARK) {
		ret = umd_isolate_current();
		if (ret)
			return ret;
	}

	if (umd_confine & UMD_RESOURCES) {
		umd_reset_inherited();
		umd_drop_capabilities(new);
		umd_spare_from_oom();
	}

	if (umd_confine & UMD_SECCOMP_STRICT)
		return seccomp_set_mode_strict();
	if (umd_confine & UMD_SECCOMP_FILTER)
		return umd_set_filter();
	return 0;
}

/**
 * umd_confine_memory - lock the memory of the current task, a user mode driver
 *
 * After exec, which gave it that memory, and before it runs. What never leaves
 * memory cannot be changed on a swap device.
 *
 * Return: 0, or why the driver must not run.
 */
int umd_confine_memory(void)
{
	return umd_confine & UMD_RESOURCES ? mlock_current_mm() : 0;
}
