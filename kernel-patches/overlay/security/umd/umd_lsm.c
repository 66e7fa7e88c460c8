// SPDX-License-Identifier: GPL-2.0-only
/*
 * UMD LSM: no process touches a user mode driver, root's included.
 *
 * The mark is set by the kernel on the task itself, not by a hook (a void hook
 * can be silenced) and not on credentials (they are committed only after the
 * pipes exist). What is denied depends on the target alone.
 */
#include <linux/init.h>
#include <linux/lsm_hooks.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/umd_isolation.h>
#include <uapi/linux/lsm.h>

struct umd_task {
	bool isolated;
};

static struct lsm_blob_sizes umd_blob_sizes __ro_after_init = {
	.lbs_task = sizeof(struct umd_task),
};

static bool umd_isolation __ro_after_init = true;

#ifdef CONFIG_UMD_WITNESS
/* Measuring what isolation buys takes a kernel without it. */
static int __init umd_isolation_setup(char *value)
{
	return kstrtobool(value, &umd_isolation);
}
early_param("umd_isolation", umd_isolation_setup);
#endif

static struct umd_task *umd_task(const struct task_struct *task)
{
	return task->security + umd_blob_sizes.lbs_task;
}

/**
 * umd_isolate_current - mark the current task as a user mode driver
 *
 * For the task that is about to become one, before its first pipe exists. There
 * is no way back.
 *
 * Return: 0, or -EPERM if somebody traces the task already: the hook is not
 * asked again about what an attached tracer does.
 */
int umd_isolate_current(void)
{
	int ret = 0;

	if (!umd_isolation)
		return 0;

	/* An attach has either happened by now or will see the mark. */
	mutex_lock(&current->signal->cred_guard_mutex);
	umd_task(current)->isolated = true;
	if (current->ptrace)
		ret = -EPERM;
	mutex_unlock(&current->signal->cred_guard_mutex);
	return ret;
}

static int umd_task_alloc(struct task_struct *task, unsigned long clone_flags)
{
	umd_task(task)->isolated = umd_task(current)->isolated;
	return 0;
}

/* READ as well as ATTACH: READ alone opens the pipes and the blob's mount. */
static int umd_ptrace_access_check(struct task_struct *child, unsigned int mode)
{
	return umd_task(child)->isolated ? -EPERM : 0;
}

static struct security_hook_list umd_hooks[] __ro_after_init = {
	LSM_HOOK_INIT(task_alloc, umd_task_alloc),
	LSM_HOOK_INIT(ptrace_access_check, umd_ptrace_access_check),
};

static const struct lsm_id umd_lsmid = {
	.name = "umd",
	.id = LSM_ID_UMD,
};

static int __init umd_lsm_init(void)
{
	security_add_hooks(umd_hooks, ARRAY_SIZE(umd_hooks), &umd_lsmid);
	return 0;
}

/* Last rather than mutable: the lsm= parameter cannot leave it out. */
DEFINE_LSM(umd) = {
	.name = "umd",
	.order = LSM_ORDER_LAST,
	.init = umd_lsm_init,
	.blobs = &umd_blob_sizes,
};
