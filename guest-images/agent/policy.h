/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The policy of a rival: pid 1 loads it and labels files before anything else of user space
 * runs. It stays in the kernel's domain itself, where it only waits; its children enter root's.
 * What there is to know lies in /policy/NAME: `rules` for the module's own file, `labels` with
 * a path and a label a line, and root's `domain`.
 *
 * Included by agent.c alone.
 */
#define POLICIES "/policy/"

struct security_module {
	const char *name, *type, *mounted, *rules, *attribute;
};

static const struct security_module security_modules[] = {
	{ "selinux", "selinuxfs", "/sys/fs/selinux", "/sys/fs/selinux/load", "security.selinux" },
};

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

/* Lines of a path, a blank and a label. */
static long label_files(const char *attribute, char *text, long size)
{
	char *at = text, *end = text + size, *path, *label;
	long ret = 0;

	while (!ret && at < end) {
		for (path = at; at < end && *at != ' '; at++)
			;
		*at++ = '\0';
		for (label = at; at < end && *at != '\n'; at++)
			;
		*at++ = '\0';
		ret = sys(__NR_lsetxattr, path, attribute, label, length(label) + 1, 0);
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
		size = label_files(module->attribute, policy_file, size);
	if (!size)
		size = read_policy(module, "domain", domain, sizeof(domain));
	return size < 0 ? size : 0;
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
		if (!ret)
			ret = load_policy(module);
		if (ret) {
			say(module->name);
			say("the policy does not load");
			/* The end is near: let the console finish. */
			sys(__NR_ioctl, 2, TCSBRK, 1);
			return 0;
		}
	}
	return 1;
}
