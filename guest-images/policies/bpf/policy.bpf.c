// SPDX-License-Identifier: GPL-2.0-only
/*
 * The policy of the rival `bpf-lsm`, as strict against root as the hooks allow.
 *
 * A task is confined if it runs, or was forked by a task that runs, when the policy is loaded; so
 * is what pid 1 forks. The kernel's threads, what they fork, and pid 1 itself are not. A confined
 * task may not touch one that is not, nor load code into the kernel, nor change the policy.
 *
 * The process of each refusal is added to a Bloom filter. The harness counts the calls of
 * bloom_map_push_elem(), and nothing else uses a Bloom filter here. On later kernels ftrace cannot watch
 * the functions of ring buffers and queues.
 */
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/errno.h>
#include <stdbool.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define relocated __attribute__((preserve_access_index))

#define PF_KTHREAD	0x00200000
#define FMODE_WRITE	0x2
#define MNT_INTERNAL	0x4000
#define S_IFMT		0170000
#define S_IFCHR		0020000
#define S_IFBLK		0060000
#define MEMORY_MAJOR	1
#define TTY_MAJOR	4
#define CONSOLE_MAJOR	5
#define PTY_MAJORS	136
#define PTY_MAJORS_END	143

/* From <linux/magic.h>, and from the file systems that are not in it. */
#define PROC_SUPER_MAGIC	0x9fa0
#define SYSFS_MAGIC		0x62656572
#define DEBUGFS_MAGIC		0x64626720
#define TRACEFS_MAGIC		0x74726163
#define CGROUP_SUPER_MAGIC	0x27e0eb
#define CGROUP2_SUPER_MAGIC	0x63677270
#define BPF_FS_MAGIC		0xcafe4a11
#define BINFMTFS_MAGIC		0x42494e4d

struct pid;
struct bpf_iter_meta;

struct task_struct {
	unsigned int flags;
	int tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	void *mm;
} relocated;

struct upid {
	int nr;
} relocated;

struct pid {
	struct upid numbers[1];
} relocated;

struct super_block {
	unsigned long s_magic;
} relocated;

struct inode {
	unsigned short i_mode;
	unsigned int i_rdev;
	struct super_block *i_sb;
} relocated;

struct qstr {
	const unsigned char *name;
} relocated;

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
} relocated;

struct vfsmount {
	int mnt_flags;
} relocated;

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
} relocated;

struct file {
	unsigned int f_mode;
	struct inode *f_inode;
	struct path f_path;
} relocated;

struct proc_inode {
	struct pid *pid;
	void *sysctl;
	struct inode vfs_inode;
} relocated;

struct linux_binprm {
	struct file *file;
} relocated;

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} relocated;

struct task_struct *bpf_task_from_pid(int pid) __ksym;
void bpf_task_release(struct task_struct *task) __ksym;

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, char);
} confined SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__uint(max_entries, 1024);
	__type(value, __u64);
} refusals SEC(".maps");

static int refuse(void)
{
	__u64 who = bpf_get_current_pid_tgid();

	bpf_map_push_elem(&refusals, &who, BPF_ANY);
	return -EPERM;
}

static bool is_confined(struct task_struct *task)
{
	return bpf_task_storage_get(&confined, task, NULL, 0) != NULL;
}

static bool am_confined(void)
{
	return is_confined(bpf_get_current_task_btf());
}

/* The hook's last argument is what the program before this one said. */
static int unless_confined(int said)
{
	return said ? said : am_confined() ? refuse() : 0;
}

static int guard(struct task_struct *object, int said)
{
	if (said)
		return said;
	return am_confined() && !is_confined(object) ? refuse() : 0;
}

/* --------------------------------------------------------------- the mark */

SEC("lsm/task_alloc")
int on_fork(__u64 *ctx)
{
	struct task_struct *child = (void *)ctx[0], *parent = bpf_get_current_task_btf();
	int said = ctx[2];

	if (said || (parent->tgid != 1 && !is_confined(parent)))
		return said;
	return bpf_task_storage_get(&confined, child, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE) ?
		0 : -ENOMEM;
}

static bool is_called(struct dentry *dentry, const char *due, int size)
{
	char name[16] = "";

	bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(dentry, d_name.name));
	return !bpf_strncmp(name, size, due);
}

#define IS_CALLED(dentry, due) is_called(dentry, due, sizeof(due))

/* What the kernel executes and loads is in folders of these names. */
static bool is_kernels(struct dentry *dentry)
{
	struct dentry *folder = BPF_CORE_READ(dentry, d_parent);

	return IS_CALLED(folder, "sbin") || IS_CALLED(folder, "modules");
}

/* A program that the kernel starts is a driver's or modprobe. */
SEC("lsm/bprm_check_security")
int on_exec(__u64 *ctx)
{
	struct linux_binprm *bprm = (void *)ctx[0];
	struct task_struct *self = bpf_get_current_task_btf();
	struct dentry *dentry;
	int said = ctx[1];

	if (said || self->tgid == 1 || is_confined(self))
		return said;
	if (BPF_CORE_READ(bprm, file, f_path.mnt, mnt_flags) & MNT_INTERNAL)
		return 0;
	dentry = BPF_CORE_READ(bprm, file, f_path.dentry);
	return is_kernels(dentry) && IS_CALLED(dentry, "modprobe") ? 0 : refuse();
}

/* -------------------------------------------------------------- other tasks */

#define GUARD(hook, arguments)							\
SEC("lsm/" #hook)								\
int on_##hook(__u64 *ctx)							\
{										\
	return guard((void *)ctx[0], ctx[arguments]);				\
}

GUARD(ptrace_access_check, 2)
GUARD(task_kill, 4)
GUARD(task_setioprio, 2)
GUARD(task_movememory, 1)
GUARD(task_setrlimit, 3)
GUARD(file_send_sigiotask, 3)
GUARD(task_setpgid, 2)

/* Whoever has a high priority starves the handler. */
SEC("lsm/task_setnice")
int on_task_setnice(__u64 *ctx)
{
	int nice = ctx[1], said = ctx[2];

	return nice < 0 ? unless_confined(said) : guard((void *)ctx[0], said);
}

/* -------------------------------------------------------------------- files */

static bool is_foreign(struct pid *pid)
{
	struct task_struct *task;
	bool foreign;

	task = bpf_task_from_pid(BPF_CORE_READ(pid, numbers[0].nr));
	if (!task)
		return true;
	foreign = !is_confined(task);
	bpf_task_release(task);
	return foreign;
}

static bool is_shut_proc(struct inode *inode, bool writes)
{
	struct proc_inode *proc =
		(void *)inode - bpf_core_field_offset(struct proc_inode, vfs_inode);
	struct pid *pid = BPF_CORE_READ(proc, pid);

	return pid ? is_foreign(pid) : writes;
}

static bool is_shut_device(unsigned int rdev)
{
	unsigned int major = rdev >> 20, minor = rdev & 0xfffff;

	switch (major) {
	case MEMORY_MAJOR:
		return minor < 3 || minor == 4 || minor > 9;
	case TTY_MAJOR:
	case CONSOLE_MAJOR:
		return false;
	default:
		return major < PTY_MAJORS || major > PTY_MAJORS_END;
	}
}

static bool is_shut(struct file *file)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	unsigned short kind = BPF_CORE_READ(inode, i_mode) & S_IFMT;
	bool writes = BPF_CORE_READ(file, f_mode) & FMODE_WRITE;

	if (kind == S_IFBLK)
		return true;
	if (kind == S_IFCHR)
		return is_shut_device(BPF_CORE_READ(inode, i_rdev));
	switch (BPF_CORE_READ(inode, i_sb, s_magic)) {
	case PROC_SUPER_MAGIC:
		return is_shut_proc(inode, writes);
	case DEBUGFS_MAGIC:
	case TRACEFS_MAGIC:
	case BPF_FS_MAGIC:
		return true;
	case SYSFS_MAGIC:
	case CGROUP_SUPER_MAGIC:
	case CGROUP2_SUPER_MAGIC:
	case BINFMTFS_MAGIC:
		return writes;
	default:
		return writes && is_kernels(BPF_CORE_READ(file, f_path.dentry));
	}
}

SEC("lsm/file_open")
int on_file_open(__u64 *ctx)
{
	int said = ctx[1];

	if (said || !am_confined())
		return said;
	return is_shut((void *)ctx[0]) ? refuse() : 0;
}

/* A name that is the kernel's to look up, or that keeps the policy. */
static int guard_name(struct inode *folder, struct dentry *dentry, int said)
{
	unsigned long magic;

	if (said || !am_confined())
		return said;
	magic = BPF_CORE_READ(folder, i_sb, s_magic);
	if (magic == BPF_FS_MAGIC || magic == CGROUP2_SUPER_MAGIC || magic == CGROUP_SUPER_MAGIC)
		return refuse();
	if (IS_CALLED(dentry, "sbin") || IS_CALLED(dentry, "lib") || IS_CALLED(dentry, "modules"))
		return refuse();
	return is_kernels(dentry) ? refuse() : 0;
}

#define GUARD_NAME(hook, folder, dentry, arguments)				\
SEC("lsm/" #hook)								\
int on_##hook(__u64 *ctx)							\
{										\
	return guard_name((void *)ctx[folder], (void *)ctx[dentry], ctx[arguments]); \
}

GUARD_NAME(inode_create, 0, 1, 3)
GUARD_NAME(inode_link, 1, 2, 3)
GUARD_NAME(inode_unlink, 0, 1, 2)
GUARD_NAME(inode_symlink, 0, 1, 3)
GUARD_NAME(inode_mkdir, 0, 1, 3)
GUARD_NAME(inode_rmdir, 0, 1, 2)
GUARD_NAME(inode_mknod, 0, 1, 4)

SEC("lsm/inode_rename")
int on_inode_rename(__u64 *ctx)
{
	int said = guard_name((void *)ctx[0], (void *)ctx[1], ctx[4]);

	return guard_name((void *)ctx[2], (void *)ctx[3], said);
}

/* Since Linux 6.3, which put an argument before the others. */
SEC("lsm/inode_setattr")
int on_inode_setattr(__u64 *ctx)
{
	struct dentry *dentry = (void *)ctx[1];
	int said = ctx[3];

	if (said || !am_confined())
		return said;
	return BPF_CORE_READ(dentry, d_inode, i_sb, s_magic) == BPF_FS_MAGIC ||
		is_kernels(dentry) ? refuse() : 0;
}

/* --------------------------------------- what no hook lets a policy tell apart */

#define SHUT(hook, arguments)							\
SEC("lsm/" #hook)								\
int on_##hook(__u64 *ctx)							\
{										\
	return unless_confined(ctx[arguments]);					\
}

SHUT(locked_down, 1)
SHUT(kernel_load_data, 2)
SHUT(kernel_read_file, 3)
SHUT(task_setscheduler, 1)
SHUT(sb_mount, 5)
SHUT(sb_umount, 2)
SHUT(sb_remount, 2)
SHUT(sb_pivotroot, 2)
SHUT(move_mount, 2)
SHUT(syslog, 1)

/* How many arguments these have differs between versions. */
#define SHUT_IN_ANY_VERSION(hook)						\
SEC("lsm/" #hook)								\
int on_##hook(void)								\
{										\
	return unless_confined(0);						\
}

SHUT_IN_ANY_VERSION(perf_event_open)

SEC("lsm/capable")
int on_capable(__u64 *ctx)
{
	int capability = ctx[2], said = ctx[4];

	switch (capability) {
	case CAP_SYS_MODULE:
	case CAP_SYS_RAWIO:
	case CAP_SYS_BOOT:
	case CAP_SYS_PACCT:
	case CAP_AUDIT_CONTROL:
	case CAP_MAC_ADMIN:
	case CAP_MAC_OVERRIDE:
		return unless_confined(said);
	default:
		return said;
	}
}

/* With it goes every way to detach the programs, or to change their maps. */
SHUT_IN_ANY_VERSION(bpf)

/* Last, for the loader is confined as well by this. */
SEC("iter/task")
int confine_all(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (!task || task->tgid == 1 || (task->flags & PF_KTHREAD))
		return 0;
	/* A program that the kernel started. */
	if (BPF_CORE_READ(task, group_leader, real_parent, flags) & PF_KTHREAD)
		return 0;
	bpf_task_storage_get(&confined, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
