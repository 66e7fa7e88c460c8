// SPDX-License-Identifier: GPL-2.0-only
/*
 * UMD LSM: no process acts upon a user mode driver, root's included.
 *
 * What is denied depends on the target alone: the kernel itself never asks these
 * hooks, and the driver has no reason to.
 */
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/init.h>
#include <linux/lsm_hooks.h>
#include <linux/perf_event.h>
#include <linux/string.h>
#include <linux/umd_isolation.h>
#include <uapi/linux/lsm.h>

static int umd_deny(const struct task_struct *target, enum umd_defence defence)
{
	return umd_defended(target, defence) ? -EPERM : 0;
}

/* READ as well as ATTACH: READ alone opens the pipes and the blob's mount. */
static int umd_ptrace_access_check(struct task_struct *child, unsigned int mode)
{
	return umd_deny(child, UMD_PTRACE);
}

/* Signal 0 is the question whether the task is there, which /proc answers too. */
static int umd_task_kill(struct task_struct *task, struct kernel_siginfo *info, int sig,
			 const struct cred *cred)
{
	return sig ? umd_deny(task, UMD_SIGNALS) : 0;
}

/* Root has the kernel send these: F_SETOWN names the task, F_SETSIG the signal. */
static int umd_file_send_sigiotask(struct task_struct *task, struct fown_struct *fown, int sig)
{
	return umd_deny(task, UMD_SIGNALS);
}

/* Affinity and cpusets as well. */
static int umd_task_setscheduler(struct task_struct *task)
{
	return umd_deny(task, UMD_SCHED);
}

static int umd_task_setnice(struct task_struct *task, int nice)
{
	return umd_deny(task, UMD_SCHED);
}

static int umd_task_setioprio(struct task_struct *task, int ioprio)
{
	return umd_deny(task, UMD_SCHED);
}

static int umd_task_movememory(struct task_struct *task)
{
	return umd_deny(task, UMD_SCHED);
}

/*
 * Not task_prlimit as well: it is told of credentials, and the driver's are as
 * any kernel thread's. That leaves reading the limits, which are no secret.
 */
static int umd_task_setrlimit(struct task_struct *task, unsigned int resource,
			      struct rlimit *new_rlim)
{
	return umd_deny(task, UMD_SCHED);
}

#ifdef CONFIG_PERF_EVENTS
/* CAP_PERFMON passes by the question whether it may be traced. */
static int umd_perf_event_alloc(struct perf_event *event)
{
	return event->hw.target ? umd_deny(event->hw.target, UMD_PERF) : 0;
}
#endif

#ifdef CONFIG_BPF_SYSCALL
/*
 * What runs in the place of these could answer in our name, or, for the last, that a
 * kernel is not locked down which is. In a driver, it does not run.
 */
static const char * const umd_answers[] = {
	"security_bpf_prog_load",
	"security_file_send_sigiotask",
	"security_perf_event_alloc",
	"security_ptrace_access_check",
	"security_task_kill",
	"security_task_movememory",
	"security_task_setioprio",
	"security_task_setnice",
	"security_task_setrlimit",
	"security_task_setscheduler",
	"security_locked_down",
};

static int umd_bpf_prog_load(struct bpf_prog *prog, union bpf_attr *attr, struct bpf_token *token)
{
	const struct btf *btf = prog->aux->attach_btf;
	const struct btf_type *type;
	const char *name;

	if (attr->expected_attach_type != BPF_MODIFY_RETURN || !umd_defends(UMD_BPF))
		return 0;

	type = btf ? btf_type_by_id(btf, prog->aux->attach_btf_id) : NULL;
	if (!type)
		return 0;

	name = btf_name_by_offset(btf, type->name_off);
	return match_string(umd_answers, ARRAY_SIZE(umd_answers), name) < 0 ? 0 : -EPERM;
}
#endif

static struct security_hook_list umd_hooks[] __ro_after_init = {
	LSM_HOOK_INIT(ptrace_access_check, umd_ptrace_access_check),
	LSM_HOOK_INIT(task_kill, umd_task_kill),
	LSM_HOOK_INIT(file_send_sigiotask, umd_file_send_sigiotask),
	LSM_HOOK_INIT(task_setscheduler, umd_task_setscheduler),
	LSM_HOOK_INIT(task_setnice, umd_task_setnice),
	LSM_HOOK_INIT(task_setioprio, umd_task_setioprio),
	LSM_HOOK_INIT(task_setrlimit, umd_task_setrlimit),
	LSM_HOOK_INIT(task_movememory, umd_task_movememory),
#ifdef CONFIG_PERF_EVENTS
	LSM_HOOK_INIT(perf_event_alloc, umd_perf_event_alloc),
#endif
#ifdef CONFIG_BPF_SYSCALL
	LSM_HOOK_INIT(bpf_prog_load, umd_bpf_prog_load),
#endif
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
};
