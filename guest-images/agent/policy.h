/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The policy of a rival: pid 1 loads it and labels files before anything else of user space
 * runs. It stays in the kernel's domain itself, where it only waits; its children enter root's.
 * Where another pid 1 follows, that is root's, and a child is what stays.
 * What there is to know lies in /policy/NAME: `rules` for the module's own file, `labels` with
 * a path and a label a line, and root's `domain`; perhaps `options` for all mounts, and `seal`,
 * with a path and what is written there a line, which may shut out pid 1 itself.
 *
 * Included by agent.c alone.
 */
#define POLICIES "/policy/"

/* <linux/socket.h> has them in the kernel alone. */
#define AF_UNIX 1
#define SOCK_STREAM 1

/* <linux/sched.h> needs the C library. */
#define CLONE_FS 0x200

/* The cgroup of another pid 1: the root of all cgroups is the kernel's, where the handler is. */
#define OTHERS "/sys/fs/cgroup/others"

/* Is there until the policy is sealed. It is the kernel's own, and pid 1 can still unlink it then. */
#define AWAITING POLICIES "awaiting"

struct security_module {
	const char *name, *type, *mounted, *rules, *attribute;
};

static const struct security_module security_modules[] = {
	{ "selinux", "selinuxfs", "/sys/fs/selinux", "/sys/fs/selinux/load", "security.selinux" },
	{ "smack", "smackfs", "/sys/fs/smackfs", "/sys/fs/smackfs/load2", "security.SMACK64" },
};

static const struct security_module *awake;

static char policy_file[0x40000];
static char domain[64];

/* The size of /policy/NAME/FILE, whose bytes are left in the buffer; or an error. */
static long read_policy(const struct security_module *module, const char *file, char *to,
			long room)
{
	char path[64] = POLICIES;
	long n, fd;

	append(path, sizeof(path), module->name);
	append(path, sizeof(path), "/");
	append(path, sizeof(path), file);
	fd = sys(__NR_open, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fd;
	n = sys(__NR_read, fd, to, room);
	sys(__NR_close, fd);
	return n == room ? -EFBIG : n;
}

/* As many writes as the file takes; SELinux takes its policy in one. */
static long write_all(const char *path, const char *bytes, long size)
{
	long n = 0, done = 0, fd = sys(__NR_open, path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return fd;
	for (; done < size; done += n) {
		n = sys(__NR_write, fd, bytes + done, size - done);
		if (n <= 0)
			break;
	}
	sys(__NR_close, fd);
	return done == size ? 0 : n ? n : -EIO;
}

/*
 * What has a label stays open: some filesystems forget it with the inode, and some are set up anew
 * once nobody has anything of them.
 */
static long label_file(const char *path, const char *label)
{
	long ret = sys(__NR_lsetxattr, path, awake->attribute, label, length(label) + 1, 0);

	if (!ret)
		sys(__NR_open, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return ret;
}

/* What is in a folder by now, but nothing below that. */
static long label_all_in(const char *folder, const char *label)
{
	char entries[1024] __aligned(8);
	long at, n, ret = 0, fd = sys(__NR_open, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return fd;
	while (!ret && (n = sys(__NR_getdents64, fd, entries, sizeof(entries))) > 0) {
		for (at = 0; !ret && at < n; at += ((struct dirent *)(entries + at))->size) {
			const char *name = ((struct dirent *)(entries + at))->name;
			char path[128] = "";

			append(path, sizeof(path), folder);
			append(path, sizeof(path), name);
			if (!same(name, ".") && !same(name, ".."))
				ret = label_file(path, label);
		}
	}
	sys(__NR_close, fd);
	return ret;
}

/* A path that ends in a slash is for all that is in the folder. A kernel may lack one or other. */
static long label(const char *path, const char *label)
{
	size_t end = length(path);
	int is_folder = end > 1 && path[end - 1] == '/';
	long ret = is_folder ? label_all_in(path, label) : label_file(path, label);

	return ret == -ENOENT ? 0 : ret;
}

static long write_line(const char *path, const char *text)
{
	return write_all(path, text, length(text));
}

/* Lines of a path, a blank and what to do there. */
static long each_line(char *text, long size, long (*act)(const char *path, const char *what))
{
	char *at = text, *end = text + size, *path, *what;
	long ret = 0;

	while (!ret && at < end) {
		for (path = at; at < end && *at != ' '; at++)
			;
		*at++ = '\0';
		for (what = at; at < end && *at != '\n'; at++)
			;
		*at++ = '\0';
		ret = act(path, what);
	}
	return ret;
}

static long load_policy(const struct security_module *module)
{
	long size = read_policy(module, "rules", policy_file, sizeof(policy_file));

	if (size > 0)
		size = write_all(module->rules, policy_file, size);
	if (!size)
		size = read_policy(module, "labels", policy_file, sizeof(policy_file));
	if (size >= 0)
		size = each_line(policy_file, size, label);
	if (!size)
		size = read_policy(module, "domain", domain, sizeof(domain));
	return size < 0 ? size : 0;
}

static int is_loaded(const struct security_module *module, long ret)
{
	if (!ret)
		return 1;
	say(module->name);
	say("the policy does not load");
	/* The end is near: let the console finish. */
	sys(__NR_ioctl, 2, TCSBRK, 1);
	return 0;
}

/* What is not pid 1 is root's; without a policy there is nothing to enter. */
static int enter_domain(void)
{
	return !domain[0] || !write_all("/proc/self/attr/current", domain, length(domain));
}

/*
 * A kernel whose module is asleep does not know its filesystem. Where one is awake, whatever
 * goes wrong is the end of the machine: without its policy it would be a baseline in disguise.
 */
static int load_policies(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(security_modules); i++) {
		const struct security_module *module = &security_modules[i];
		long ret = sys(__NR_mount, module->type, module->mounted, module->type, 0, NULL);

		if (ret == -ENODEV || ret == -ENOENT)
			continue;
		awake = module;
		if (!is_loaded(module, ret ? ret : load_policy(module)))
			return 0;
	}
	return 1;
}

/* Last, for pid 1 itself may do less from then on. */
static int seal_policy(void)
{
	long size = awake ? read_policy(awake, "seal", policy_file, sizeof(policy_file)) : -ENOENT;

	if (size == -ENOENT)
		return 1;
	return is_loaded(awake, size < 0 ? size : each_line(policy_file, size, write_line));
}

/*
 * Whether the kernel may not start a handler yet, which would have no label: it asks for modprobe
 * long before pid 1 runs. Nothing is mounted then, but a module that is awake labels sockets.
 */
static int awaits_policy(void)
{
	char label[64];
	int pair[2], size = sizeof(label);

	if (sys(__NR_access, AWAITING, 0) || sys(__NR_socketpair, AF_UNIX, SOCK_STREAM, 0, pair))
		return 0;
	return !sys(__NR_getsockopt, pair[0], SOL_SOCKET, SO_PEERSEC, label, &size);
}

/* Where nothing is mounted yet, whether a module's filesystem can be says whether it is awake. */
static const char *mount_options(void)
{
	static char options[128];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(security_modules); i++) {
		const struct security_module *module = &security_modules[i];

		if (sys(__NR_mount, module->type, "/tmp", module->type, 0, NULL))
			continue;
		sys(__NR_umount2, "/tmp", 0);
		if (read_policy(module, "options", options, sizeof(options)) > 0)
			return options;
	}
	return NULL;
}

/*
 * Before another pid 1 takes over: it may not write to the root of all cgroups, and gets one below.
 * The kernel's threads share the first process's root directory, but no longer with this one.
 */
static int part_from_kernel(void)
{
	long ret = sys(__NR_mkdir, OTHERS, 0755);

	if (!ret)
		ret = write_line(OTHERS "/cgroup.procs", "0");
	return is_loaded(awake, ret ? ret : sys(__NR_unshare, CLONE_FS));
}

/* What keeps the labels, as the kernel's; it shall last like a pid 1. */
static void keep(void)
{
	write_line("/proc/self/oom_score_adj", "-1000");
	for (;;)
		sys(__NR_pause);
}

/* Become another pid 1, as root's. */
static int hand_over(char **argv, char **envp)
{
	long keeper = sys(__NR_fork);

	if (!keeper)
		keep();
	sys(__NR_close_range, 3, ~0U, 0);
	set_signal(SIGCHLD, SIG_DFL);
	if (keeper > 0 && enter_domain())
		sys(__NR_execve, argv[0], argv, envp);
	return 1;
}
