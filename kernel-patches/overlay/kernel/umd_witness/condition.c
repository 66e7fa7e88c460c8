// SPDX-License-Identifier: GPL-2.0-only
/*
 * The condition a handler is in: what must be true of it as long as it lives, and what
 * must be as it was with the first handler, before anyone attacked. A change without a
 * wrong reply is tampering all the same.
 */
#include <crypto/sha2.h>
#include <linux/cgroup.h>
#include <linux/cred.h>
#include <linux/delay.h>
#include <linux/elf.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/iocontext.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/pipe_fs_i.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "witness.h"

/* Compared byte by byte: made from zeroes, group by group. */
struct condition {
	struct {
		int mode;
		int filters;
	} seccomp;
	bool mark;
	unsigned long locked;
	struct {
		unsigned long all;
		unsigned long code;
		unsigned long data;
	} mapped;
	struct {
		unsigned int readers;
		unsigned int writers;
		unsigned int files;
		unsigned int holders;	/* references to the handler's own end */
		unsigned int descriptors;	/* those of them that are in a table */
	} pipes[2];
	struct rlimit limits[RLIM_NLIMITS];
	struct {
		unsigned int policy;
		unsigned int rt_priority;
		int static_prio;
		int prio;
		int io_priority;
		u64 timer_slack;
		unsigned long cpus;
		unsigned long nodes;
		unsigned long cookie;	/* of core scheduling */
		int clamps[2];		/* least and most utilization that was asked for */
		bool pinned;
	} policy;
	struct {
		u64 unified;
		unsigned long set;	/* of the old hierarchies' as well */
	} cgroup;
	struct {
		kuid_t uid[4];
		kgid_t gid[4];
		unsigned int securebits;
		kernel_cap_t caps[5];
	} credentials;
	struct path root;
	unsigned long dump;
	short oom_score;
};

/* For how long a BPF iterator, say, may keep a reference that is in no table. */
#define LOOKS		5
#define LOOK_US		1000

/* What a process keeps to its very end. */
#define LASTING	(WITNESS_MARK | WITNESS_LIMITS | WITNESS_POLICY | WITNESS_CGROUP | \
		 WITNESS_CREDENTIALS | WITNESS_OOM_SCORE | WITNESS_ROOT)

static struct condition first;
static bool first_known;

static void take_memory(struct condition *now, struct task_struct *task, u32 *found)
{
	struct mm_struct *mm = witness_get_mm(task);

	if (!mm)
		return;

	now->mapped.all = READ_ONCE(mm->total_vm);
	now->mapped.code = READ_ONCE(mm->exec_vm);
	now->mapped.data = READ_ONCE(mm->data_vm);
	now->locked = READ_ONCE(mm->locked_vm);
	now->dump = mm->flags & (MMF_DUMPABLE_MASK | MMF_DUMP_FILTER_MASK);
	if (test_bit(MMF_HAS_UPROBES, &mm->flags))
		*found |= WITNESS_UPROBED;
	if (get_mm_counter_sum(mm, MM_SWAPENTS))
		*found |= WITNESS_SWAPPED;
	mmput(mm);
}

struct descriptors {
	const struct file *file;
	unsigned int count;
};

static int count_descriptor(const void *data, struct file *file, unsigned int fd)
{
	struct descriptors *found = (struct descriptors *)data;

	found->count += file == found->file;
	return 0;
}

/* How many descriptors of all tasks are this file. Tasks that share a table count each. */
static unsigned int count_descriptors(const struct file *file)
{
	struct descriptors found = { .file = file };
	struct task_struct *process, *task;

	rcu_read_lock();
	for_each_process_thread(process, task) {
		task_lock(task);
		iterate_fd(task->files, 0, count_descriptor, &found);
		task_unlock(task);
	}
	rcu_read_unlock();
	return found.count;
}

/*
 * A copy of the handler's descriptor opens no pipe: it holds the same file. Other references end
 * soon if nobody keeps the file, so look again.
 */
static void take_holders(struct condition *now, int fd, struct file *handlers)
{
	unsigned int usual = first.pipes[fd].holders;
	int looks = LOOKS;

	now->pipes[fd].descriptors = first_known ? first.pipes[fd].descriptors
						 : count_descriptors(handlers);
	now->pipes[fd].holders = file_count(handlers);
	if (!first_known || now->pipes[fd].holders == usual)
		return;

	now->pipes[fd].descriptors = count_descriptors(handlers);
	while (file_count(handlers) != usual && looks--)
		usleep_range(LOOK_US, 2 * LOOK_US);
	now->pipes[fd].holders = file_count(handlers);
}

static void take_pipe(struct condition *now, struct task_struct *task, int fd, struct file *kernels)
{
	struct pipe_inode_info *pipe = get_pipe_info(kernels, false);
	struct file *handlers = fget_task(task, fd);

	now->pipes[fd].readers = READ_ONCE(pipe->readers);
	now->pipes[fd].writers = READ_ONCE(pipe->writers);
	now->pipes[fd].files = READ_ONCE(pipe->files);
	if (handlers) {
		take_holders(now, fd, handlers);
		fput(handlers);
	}
}

static void take_credentials(struct condition *now, struct task_struct *task)
{
	const struct cred *cred = get_task_cred(task);

	now->credentials.uid[0] = cred->uid;
	now->credentials.uid[1] = cred->suid;
	now->credentials.uid[2] = cred->euid;
	now->credentials.uid[3] = cred->fsuid;
	now->credentials.gid[0] = cred->gid;
	now->credentials.gid[1] = cred->sgid;
	now->credentials.gid[2] = cred->egid;
	now->credentials.gid[3] = cred->fsgid;
	now->credentials.securebits = cred->securebits;
	now->credentials.caps[0] = cred->cap_inheritable;
	now->credentials.caps[1] = cred->cap_permitted;
	now->credentials.caps[2] = cred->cap_effective;
	now->credentials.caps[3] = cred->cap_bset;
	now->credentials.caps[4] = cred->cap_ambient;
	put_cred(cred);
}

static void take_task(struct condition *now, struct task_struct *task)
{
	now->seccomp.mode = READ_ONCE(task->seccomp.mode);
	now->seccomp.filters = atomic_read(&task->seccomp.filter_count);
	now->mark = witness_is_isolated(task);
	now->policy.policy = task->policy;
	now->policy.rt_priority = task->rt_priority;
	now->policy.static_prio = task->static_prio;
	now->policy.prio = task->prio;
	now->policy.timer_slack = task->timer_slack_ns;
	now->policy.cpus = cpumask_bits(task->cpus_ptr)[0];
	now->policy.pinned = READ_ONCE(task->user_cpus_ptr);
#ifdef CONFIG_CPUSETS
	now->policy.nodes = nodes_addr(task->mems_allowed)[0];
#endif
#ifdef CONFIG_SCHED_CORE
	now->policy.cookie = task->core_cookie;
#endif
#ifdef CONFIG_UCLAMP_TASK
	now->policy.clamps[0] = task->uclamp_req[UCLAMP_MIN].value;
	now->policy.clamps[1] = task->uclamp_req[UCLAMP_MAX].value;
#endif
	task_lock(task);
	if (task->io_context)
		now->policy.io_priority = task->io_context->ioprio;
	memcpy(now->limits, task->signal->rlim, sizeof(now->limits));
	if (task->fs)
		now->root = task->fs->root;
	task_unlock(task);
	now->oom_score = task->signal->oom_score_adj;
	rcu_read_lock();
	now->cgroup.unified = cgroup_id(task_dfl_cgroup(task));
	now->cgroup.set = (unsigned long)rcu_access_pointer(task->cgroups);
	rcu_read_unlock();
}

/* What is wrong of any task, whenever it is seen. */
static u32 meddled(struct task_struct *task)
{
	u32 found = 0;

	if (READ_ONCE(task->ptrace))
		found |= WITNESS_TRACED;
#ifdef CONFIG_PERF_EVENTS
	if (READ_ONCE(task->perf_event_ctxp))
		found |= WITNESS_PERF;
#endif
#ifdef CONFIG_FAULT_INJECTION
	if (READ_ONCE(task->make_it_fail) || READ_ONCE(task->fail_nth))
		found |= WITNESS_FAULTS;
#endif
	return found;
}

static u32 always(struct task_struct *task, const struct umd_info *info)
{
	struct file *exe;
	u32 found = 0;

	rcu_read_lock();
	if (!(rcu_dereference(task->real_parent)->flags & PF_KTHREAD))
		found |= WITNESS_ADOPTED;
	rcu_read_unlock();

	exe = get_task_exe_file(task);
	if (exe) {
		if (exe->f_path.mnt != info->wd.mnt)
			found |= WITNESS_FOREIGN_EXE;
		fput(exe);
	}
	return found;
}

static u32 compare(const struct condition *now)
{
	u32 found = 0;

	if (memcmp(&now->seccomp, &first.seccomp, sizeof(now->seccomp)))
		found |= WITNESS_SECCOMP;
	if (now->mark != first.mark)
		found |= WITNESS_MARK;
	if (memcmp(&now->mapped, &first.mapped, sizeof(now->mapped)))
		found |= WITNESS_MAPPED;
	if (now->locked != first.locked)
		found |= WITNESS_LOCKED;
	if (memcmp(now->pipes, first.pipes, sizeof(now->pipes)))
		found |= WITNESS_PIPES;
	if (memcmp(now->limits, first.limits, sizeof(now->limits)))
		found |= WITNESS_LIMITS;
	if (memcmp(&now->policy, &first.policy, sizeof(now->policy)))
		found |= WITNESS_POLICY;
	if (memcmp(&now->cgroup, &first.cgroup, sizeof(now->cgroup)))
		found |= WITNESS_CGROUP;
	if (memcmp(&now->credentials, &first.credentials, sizeof(now->credentials)))
		found |= WITNESS_CREDENTIALS;
	if (now->oom_score != first.oom_score)
		found |= WITNESS_OOM_SCORE;
	if (now->dump != first.dump)
		found |= WITNESS_DUMP;
	if (!path_equal(&now->root, &first.root))
		found |= WITNESS_ROOT;
	return found;
}

/**
 * witness_examine - what is no longer as the kernel set it up
 * @task: the handler
 * @info: its pipes and mount, or NULL for a kernel thread
 *
 * Return: a set of enum witness_violation; none for one that has ended.
 */
u32 witness_examine(struct task_struct *task, const struct umd_info *info)
{
	u32 found = meddled(task);
	struct condition now;

	memset(&now, 0, sizeof(now));
	take_task(&now, task);
	take_credentials(&now, task);
	if (info) {
		take_memory(&now, task, &found);
		take_pipe(&now, task, 0, info->pipe_to_umh);
		take_pipe(&now, task, 1, info->pipe_from_umh);
		found |= always(task, info);
	}
	/* Half dead, it has lost some of this by itself. */
	if (task->flags & PF_EXITING || (info && !now.mapped.all))
		return 0;

	if (!first_known) {
		first = now;
		first_known = true;
		return found;
	}
	return found | compare(&now);
}

/**
 * witness_examine_end - what was no longer as the kernel set it up when it ended
 * @task: the handler, which has lost its memory but little else
 *
 * One that no longer answers is ended before anyone can examine it.
 *
 * Return: a set of enum witness_violation.
 */
u32 witness_examine_end(struct task_struct *task)
{
	u32 found = meddled(task);
	struct condition now;

	memset(&now, 0, sizeof(now));
	take_task(&now, task);
	take_credentials(&now, task);
	if (first_known)
		found |= compare(&now) & LASTING;
	return found;
}

/* A handler of another make: what follows is held against that one. */
void witness_examine_anew(void)
{
	first_known = false;
}
