// SPDX-License-Identifier: GPL-2.0-only
/*
 * UMD LSM: no process acts upon a user mode driver, root's included.
 *
 * The mark is set by the kernel on the task itself, not by a hook (a void hook
 * can be silenced) and not on credentials (they are committed only after the
 * pipes exist). What is denied depends on the target alone: the kernel itself
 * never asks these hooks, and the driver has no reason to.
 */
#include <linux/init.h>
#include <linux/lsm_hooks.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/sched/signal.h>
#include <linux/umd_isolation.h>
#include <uapi/linux/lsm.h>

struct umd_task {
	bool isolated;
};

static struct lsm_blob_sizes umd_blob_sizes __ro_after_init = {
	.lbs_task = sizeof(struct umd_task),
};

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

	/* An attach or a look has either ended by now or will see the mark. */
	mutex_lock(&current->signal->cred_guard_mutex);
	down_write(&current->signal->exec_update_lock);
	umd_task(current)->isolated = true;
	if (current->ptrace)
		ret = -EPERM;
	up_write(&current->signal->exec_update_lock);
	mutex_unlock(&current->signal->cred_guard_mutex);
	return ret;
}

/**
 * umd_is_isolated - whether a task has the mark of a user mode driver
 * @task: the task
 */
bool umd_is_isolated(const struct task_struct *task)
{
	return umd_task(task)->isolated;
}

static int umd_task_alloc(struct task_struct *task, unsigned long clone_flags)
{
	umd_task(task)->isolated = umd_task(current)->isolated;
	return 0;
}

static int umd_deny(struct task_struct *target)
{
	return umd_is_isolated(target) ? -EPERM : 0;
}

/* READ as well as ATTACH: READ alone opens the pipes and the blob's mount. */
static int umd_ptrace_access_check(struct task_struct *child, unsigned int mode)
{
	return IS_ENABLED(CONFIG_SECURITY_UMD_DEBUG) ? 0 : umd_deny(child);
}

/* Signal 0 is the question whether the task is there, which /proc answers too. */
static int umd_task_kill(struct task_struct *task, struct kernel_siginfo *info, int sig,
			 const struct cred *cred)
{
	return sig ? umd_deny(task) : 0;
}

/* Root has the kernel send these: F_SETOWN names the task, F_SETSIG the signal. */
static int umd_file_send_sigiotask(struct task_struct *task, struct fown_struct *fown, int sig)
{
	return umd_deny(task);
}

static int umd_task_setnice(struct task_struct *task, int nice)
{
	return umd_deny(task);
}

static int umd_task_setioprio(struct task_struct *task, int ioprio)
{
	return umd_deny(task);
}

/*
 * Not task_prlimit as well: it is told of credentials, and the driver's are as
 * any kernel thread's. That leaves reading the limits, which are no secret.
 */
static int umd_task_setrlimit(struct task_struct *task, unsigned int resource,
			      struct rlimit *new_rlim)
{
	return umd_deny(task);
}

static struct security_hook_list umd_hooks[] __ro_after_init = {
	LSM_HOOK_INIT(task_alloc, umd_task_alloc),
	LSM_HOOK_INIT(ptrace_access_check, umd_ptrace_access_check),
	LSM_HOOK_INIT(task_kill, umd_task_kill),
	LSM_HOOK_INIT(file_send_sigiotask, umd_file_send_sigiotask),
	LSM_HOOK_INIT(task_setscheduler, umd_deny),	/* affinity and cpuset, too */
	LSM_HOOK_INIT(task_setnice, umd_task_setnice),
	LSM_HOOK_INIT(task_setioprio, umd_task_setioprio),
	LSM_HOOK_INIT(task_setrlimit, umd_task_setrlimit),
	LSM_HOOK_INIT(task_movememory, umd_deny),
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
