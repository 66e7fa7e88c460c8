// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a user mode driver is set up with before any of its code runs: the mark
 * that keeps others away, seccomp, memory that stays where it is, and nothing
 * that its parent, a kernel thread within root's reach, may have passed on.
 */
#include <linux/capability.h>
#include <linux/cpumask.h>
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/gfp.h>
#include <linux/iocontext.h>
#include <linux/ioprio.h>
#include <linux/mm.h>
#include <linux/oom.h>
#include <linux/overflow.h>
#include <linux/refcount.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/sched/coredump.h>
#include <linux/sched/isolation.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/seccomp.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/umd_confine.h>
#include <linux/umd_isolation.h>
#include <linux/usermode_driver.h>

#define UMD_STACK_MAX		SZ_256K

/* At each start, the program is compared with this copy. That is faster than a hash. */
struct umd_blob {
	refcount_t users;
	size_t len;
	u8 data[];
};

/*
 * The parent is a kworker, and root may have changed its limits, policy, CPUs,
 * I/O priority and slack. Those of init_task, which has no pid, nobody can change.
 */
static void umd_reset_inherited(void)
{
	task_lock(current->group_leader);
	memcpy(current->signal->rlim, init_task.signal->rlim, sizeof(current->signal->rlim));
	current->signal->rlim[RLIMIT_STACK].rlim_cur = UMD_STACK_MAX;
	current->signal->rlim[RLIMIT_STACK].rlim_max = UMD_STACK_MAX;
	/* How much is locked is for the kernel to say, which locks it. */
	current->signal->rlim[RLIMIT_MEMLOCK].rlim_cur = RLIM_INFINITY;
	current->signal->rlim[RLIMIT_MEMLOCK].rlim_max = RLIM_INFINITY;
	task_unlock(current->group_leader);

	sched_set_normal(current, 0);
	set_cpus_allowed_ptr(current, housekeeping_cpumask(HK_TYPE_WQ));
#ifdef CONFIG_BLOCK
	if (current->io_context)
		current->io_context->ioprio = IOPRIO_DEFAULT;
#endif
	current->default_timer_slack_ns = init_task.timer_slack_ns;
	current->timer_slack_ns = init_task.timer_slack_ns;
#ifdef CONFIG_FAULT_INJECTION
	current->make_it_fail = 0;
	current->fail_nth = 0;
#endif
}

/*
 * It needs no capabilities, and those of a usermode helper are root's to take away. Exec gives
 * uid 0 what its bounding set has.
 */
static void umd_drop_capabilities(struct cred *new)
{
	cap_clear(new->cap_inheritable);
	cap_clear(new->cap_permitted);
	cap_clear(new->cap_effective);
	cap_clear(new->cap_bset);
	cap_clear(new->cap_ambient);
	task_set_no_new_privs(current);
}

static void umd_spare_from_oom(void)
{
	current->signal->oom_score_adj = OOM_SCORE_ADJ_MIN;
	current->signal->oom_score_adj_min = OOM_SCORE_ADJ_MIN;
}

/**
 * umd_confine_blob - keep what each process of a user mode driver has to run
 * @info: the user mode driver
 * @data: its blob
 * @len: the blob's length in bytes
 *
 * Return: 0, or -ENOMEM.
 */
int umd_confine_blob(struct umd_info *info, const void *data, size_t len)
{
	struct umd_blob *blob;

	if (!info->isolated || !umd_defends(UMD_IMAGE))
		return 0;

	blob = kvmalloc(struct_size(blob, data, len), GFP_KERNEL);
	if (!blob)
		return -ENOMEM;

	refcount_set(&blob->users, 1);
	blob->len = len;
	memcpy(blob->data, data, len);
	info->blob = blob;
	return 0;
}

/**
 * umd_blob_get - take a reference to a blob's copy
 * @blob: the copy, or NULL
 */
void umd_blob_get(struct umd_blob *blob)
{
	if (blob)
		refcount_inc(&blob->users);
}

/**
 * umd_blob_put - drop a reference to a blob's copy
 * @blob: the copy, or NULL
 */
void umd_blob_put(struct umd_blob *blob)
{
	if (blob && refcount_dec_and_test(&blob->users))
		kvfree(blob);
}

/**
 * umd_confine_current - set the current task up to become a user mode driver
 * @new: the credentials that it will have
 *
 * Before its first pipe exists, and before exec. Nobody changes back what is set:
 * it has been isolated since its fork.
 *
 * Return: 0, or why the driver must not be started.
 */
int umd_confine_current(struct cred *new)
{
	if (!umd_is_isolated(current))
		return 0;

	/* No hook is asked about what an attached tracer does. */
	if (umd_defends(UMD_ACCESS) && current->ptrace)
		return -EPERM;
	if (umd_defends(UMD_INHERITED))
		umd_reset_inherited();
	if (umd_defends(UMD_CAPS))
		umd_drop_capabilities(new);
	if (umd_defends(UMD_OOM))
		umd_spare_from_oom();
	if (umd_defends(UMD_SECCOMP))
		return seccomp_set_mode_strict();
	return 0;
}

/* Neither an interpreter nor anything else is mapped, but what lies where the blob does. */
static int umd_check_image(const struct vfsmount *mnt)
{
	VMA_ITERATOR(vmi, current->mm, 0);
	struct vm_area_struct *vma;
	int ret = 0;

	mmap_read_lock(current->mm);
	for_each_vma(vmi, vma) {
		if (vma->vm_file && vma->vm_file->f_path.mnt != mnt)
			ret = -ENOEXEC;
	}
	mmap_read_unlock(current->mm);
	return ret;
}

/* What was executed is, byte for byte, what the loader brought. */
static int umd_check_blob(const struct umd_blob *blob)
{
	struct file *file;
	loff_t pos = 0;
	ssize_t len;
	void *page;

	if (WARN_ON_ONCE(!blob))
		return -EKEYREJECTED;

	page = (void *)__get_free_page(GFP_KERNEL);
	if (!page)
		return -ENOMEM;

	file = get_mm_exe_file(current->mm);
	while ((len = __kernel_read(file, page, PAGE_SIZE, &pos)) > 0) {
		if (pos > blob->len || memcmp(page, blob->data + pos - len, len))
			break;
	}
	fput(file);
	free_page((unsigned long)page);

	if (len < 0)
		return len;
	return len || pos != blob->len ? -EKEYREJECTED : 0;
}

static int umd_check_capabilities(void)
{
	const struct cred *cred = current_cred();

	return task_no_new_privs(current) && cap_isclear(cred->cap_bset) &&
	       cap_isclear(cred->cap_permitted) && cap_isclear(cred->cap_inheritable) &&
	       cap_isclear(cred->cap_ambient) ? 0 : -EPERM;
}

/* Its mount is what /proc/<pid>/cwd would lead to. */
static void umd_leave_mount(void)
{
	struct path root;

	get_fs_root(current->fs, &root);
	set_fs_pwd(current->fs, &root);
	path_put(&root);
}

/**
 * umd_confine_exec - confine the current task, a user mode driver that was executed
 * @info: the user mode driver
 *
 * After exec, which gave it its memory, and before it runs.
 *
 * Return: 0, or why the driver must not run.
 */
int umd_confine_exec(const struct umd_info *info)
{
	int ret = 0;

	if (!umd_is_isolated(current))
		return 0;

	if (umd_defends(UMD_EXEC))
		ret = umd_check_image(info->wd.mnt);
	if (!ret && umd_defends(UMD_CAPS))
		ret = umd_check_capabilities();
	/* What never leaves memory cannot be changed on a swap device. */
	if (!ret && umd_defends(UMD_LOCKED))
		ret = mlock_current_mm();
	/* Last: what was checked stays in memory as it is. */
	if (!ret && umd_defends(UMD_IMAGE))
		ret = umd_check_blob(info->blob);
	if (umd_defends(UMD_ACCESS))
		set_dumpable(current->mm, SUID_DUMP_DISABLE);
	if (umd_defends(UMD_IMAGE))
		umd_leave_mount();
	return ret;
}
