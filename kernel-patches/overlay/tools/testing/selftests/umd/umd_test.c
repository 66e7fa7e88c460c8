// SPDX-License-Identifier: GPL-2.0-only
/*
 * Root does to the sample user mode driver what no process may do to one. Each
 * test is one such act: it must be refused, and the same driver must answer
 * afterwards.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest_harness.h"

#define LSM_LIST	"/sys/kernel/security/lsm"
#define SAMPLE_FILE	"/sys/kernel/security/sample_umd"
#define SAMPLE_COMM	"sample_umh"
#define SAMPLE_MANAGER	"sample_mgr"

#define TIMEOUT_S	60	/* the library gives a driver up after 10 */

static int read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -1;
	len = read(fd, text, size - 1);
	close(fd);
	if (len < 0)
		return -1;
	text[len] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return 0;
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len;
	int error;

	if (fd < 0)
		return -1;
	len = write(fd, text, strlen(text));
	error = errno;
	close(fd);
	errno = error;
	return len < 0 ? -1 : 0;
}

static int load_manager(void)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		return -1;
	if (!child) {
		execl("/sbin/modprobe", "modprobe", SAMPLE_MANAGER, NULL);
		_exit(127);
	}
	if (waitpid(child, &status, 0) != child)
		return -1;
	return status ? -1 : 0;
}

/* Have the driver answer; the manager starts it if there is none. */
static int ask(void)
{
	return write_text(SAMPLE_FILE, "7");
}

static bool has_lsm(const char *list, const char *name)
{
	size_t len = strlen(name);
	const char *at = list;

	while ((at = strstr(at, name))) {
		if ((at == list || at[-1] == ',') && (!at[len] || at[len] == ','))
			return true;
		at += len;
	}
	return false;
}

static pid_t find_driver(void)
{
	struct dirent *entry;
	pid_t found = -1;
	DIR *proc;

	proc = opendir("/proc");
	if (!proc)
		return -1;
	while (found < 0 && (entry = readdir(proc))) {
		char path[PATH_MAX], comm[32];
		pid_t pid = atoi(entry->d_name);

		snprintf(path, sizeof(path), "/proc/%d/comm", pid);
		if (pid > 0 && !read_text(path, comm, sizeof(comm)) &&
		    !strcmp(comm, SAMPLE_COMM))
			found = pid;
	}
	closedir(proc);
	return found;
}

/* Whether a system call with this result was refused, and did not just fail. */
static bool refused(long result)
{
	int error = errno;

	if (result == -1 && (error == EPERM || error == EACCES))
		return true;
	ksft_print_msg("no refusal: %s\n", result == -1 ? strerror(error) : "it went well");
	errno = error;
	return false;
}

/* A cgroup beside that of the driver, seen in a mount namespace of our own. */
struct group {
	char root[32];
	char path[48];
};

FIXTURE(driver)
{
	pid_t pid;
	struct group group;
};

FIXTURE_SETUP(driver)
{
	char list[256];

	if (geteuid())
		SKIP(return, "only root is strong enough to be refused");
	if (read_text(LSM_LIST, list, sizeof(list)))
		SKIP(return, "%s cannot be read: is securityfs mounted?", LSM_LIST);
	if (!has_lsm(list, "umd"))
		SKIP(return, "the kernel lacks CONFIG_SECURITY_UMD");
	if (access(SAMPLE_FILE, F_OK) && load_manager())
		SKIP(return, "the module %s cannot be loaded: CONFIG_SAMPLE_UMD",
		     SAMPLE_MANAGER);

	ASSERT_EQ(0, ask());
	self->pid = find_driver();
	ASSERT_LT(0, self->pid);
}

static void leave_group(struct group *group, pid_t driver)
{
	char path[PATH_MAX], pid[16];

	if (!group->path[0])
		return;
	snprintf(path, sizeof(path), "%s/cgroup.procs", group->root);
	snprintf(pid, sizeof(pid), "%d", driver);
	write_text(path, pid);
	rmdir(group->path);
	umount2(group->root, MNT_DETACH);
	rmdir(group->root);
}

FIXTURE_TEARDOWN(driver)
{
	leave_group(&self->group, self->pid);
	EXPECT_EQ(0, ask());
	/* the same one: it has not been started again */
	EXPECT_EQ(self->pid, find_driver());
}

static int make_group(struct group *group, const char *type, const char *options)
{
	snprintf(group->root, sizeof(group->root), "/tmp/umd_test.XXXXXX");
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -1;
	if (!mkdtemp(group->root))
		return -1;
	if (mount("none", group->root, type, 0, options)) {
		rmdir(group->root);
		return -1;
	}
	snprintf(group->path, sizeof(group->path), "%s/umd_test", group->root);
	return mkdir(group->path, 0700) && errno != EEXIST ? -1 : 0;
}

static int set_group(const struct group *group, const char *knob, const char *value)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", group->path, knob);
	return write_text(path, value);
}

static int join_group(const struct group *group, pid_t driver)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", driver);
	return set_group(group, "cgroup.procs", pid);
}

/* Whether there was no memory to be had. ESRCH is what those get who ask for a kernel thread's. */
static bool hides_memory(long result)
{
	return (result == -1 && errno == ESRCH) || refused(result);
}

/* Whether it was not let in. EINVAL is what kernel threads get that must not be moved. */
static bool stays_out(int result)
{
	return (result == -1 && errno == EINVAL) || refused(result);
}

static int open_pidfd(pid_t driver)
{
	return syscall(__NR_pidfd_open, driver, 0);
}

static int open_proc(pid_t driver, const char *name, int flags)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/proc/%d/%s", driver, name);
	return open(path, flags | O_CLOEXEC);
}

TEST_F_TIMEOUT(driver, ptrace_attach, TIMEOUT_S)
{
	long result = ptrace(PTRACE_ATTACH, self->pid, 0, 0);

	EXPECT_TRUE(refused(result));
	if (!result && waitpid(self->pid, NULL, __WALL) == self->pid)
		ptrace(PTRACE_DETACH, self->pid, 0, 0);
}

TEST_F_TIMEOUT(driver, ptrace_seize, TIMEOUT_S)
{
	EXPECT_TRUE(refused(ptrace(PTRACE_SEIZE, self->pid, 0, 0)));
}

TEST_F_TIMEOUT(driver, proc_mem, TIMEOUT_S)
{
	EXPECT_TRUE(hides_memory(open_proc(self->pid, "mem", O_RDWR)));
}

TEST_F_TIMEOUT(driver, proc_fd, TIMEOUT_S)
{
	EXPECT_TRUE(refused(open_proc(self->pid, "fd/0", O_RDONLY | O_NONBLOCK)));
}

TEST_F_TIMEOUT(driver, process_vm_readv, TIMEOUT_S)
{
	char from = 1, to;
	struct iovec local = { &to, sizeof(to) };
	struct iovec remote = { &from, sizeof(from) };

	if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != sizeof(to))
		SKIP(return, "the kernel lacks CONFIG_CROSS_MEMORY_ATTACH");
	/* Whether there is memory at that address is asked later. */
	EXPECT_TRUE(hides_memory(process_vm_readv(self->pid, &local, 1, &remote, 1, 0)));
}

TEST_F_TIMEOUT(driver, kill, TIMEOUT_S)
{
	EXPECT_TRUE(refused(kill(self->pid, SIGKILL)));
}

TEST_F_TIMEOUT(driver, pidfd_send_signal, TIMEOUT_S)
{
	int pidfd = open_pidfd(self->pid);

	ASSERT_LE(0, pidfd);
	EXPECT_TRUE(refused(syscall(__NR_pidfd_send_signal, pidfd, SIGKILL, NULL, 0)));
}

TEST_F_TIMEOUT(driver, pidfd_getfd, TIMEOUT_S)
{
	int pidfd = open_pidfd(self->pid);

	ASSERT_LE(0, pidfd);
	EXPECT_TRUE(refused(syscall(__NR_pidfd_getfd, pidfd, 0, 0)));
}

/* The next three set what is set already: they do no harm where they may. */

TEST_F_TIMEOUT(driver, prlimit, TIMEOUT_S)
{
	struct rlimit limit;

	ASSERT_EQ(0, prlimit(self->pid, RLIMIT_CPU, NULL, &limit));
	EXPECT_TRUE(refused(prlimit(self->pid, RLIMIT_CPU, &limit, NULL)));
}

TEST_F_TIMEOUT(driver, sched_setaffinity, TIMEOUT_S)
{
	cpu_set_t cpus;

	ASSERT_EQ(0, sched_getaffinity(self->pid, sizeof(cpus), &cpus));
	EXPECT_TRUE(refused(sched_setaffinity(self->pid, sizeof(cpus), &cpus)));
}

TEST_F_TIMEOUT(driver, setpriority, TIMEOUT_S)
{
	int nice = getpriority(PRIO_PROCESS, self->pid);

	EXPECT_TRUE(refused(setpriority(PRIO_PROCESS, self->pid, nice)));
}

TEST_F_TIMEOUT(driver, perf_event_open, TIMEOUT_S)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_TASK_CLOCK,
	};

	if (syscall(__NR_perf_event_open, &attr, 0, -1, -1, 0) < 0)
		SKIP(return, "the kernel lacks CONFIG_PERF_EVENTS");
	EXPECT_TRUE(refused(syscall(__NR_perf_event_open, &attr, self->pid, -1, -1, 0)));
}

/* Waiting for a lock that a task is said to own lends it the waiter's priority. */
TEST_F_TIMEOUT(driver, futex_pi, TIMEOUT_S)
{
	__u32 nobody = 0, owner = self->pid;
	struct timespec until;

	if (syscall(__NR_futex, &nobody, FUTEX_LOCK_PI, 0, NULL, NULL, 0))
		SKIP(return, "the kernel lacks CONFIG_FUTEX_PI");
	ASSERT_EQ(0, clock_gettime(CLOCK_REALTIME, &until));
	until.tv_sec++;
	EXPECT_TRUE(refused(syscall(__NR_futex, &owner, FUTEX_LOCK_PI, 0, &until, NULL, 0)));
}

TEST_F_TIMEOUT(driver, cgroup_move, TIMEOUT_S)
{
	if (make_group(&self->group, "cgroup2", NULL))
		SKIP(return, "cgroup2 cannot be mounted: CONFIG_CGROUPS");
	EXPECT_TRUE(stays_out(join_group(&self->group, self->pid)));
}

TEST_F_TIMEOUT(driver, cgroup_freeze, TIMEOUT_S)
{
	if (make_group(&self->group, "cgroup2", NULL))
		SKIP(return, "cgroup2 cannot be mounted: CONFIG_CGROUPS");
	if (stays_out(join_group(&self->group, self->pid)))
		return;
	ASSERT_EQ(0, set_group(&self->group, "cgroup.freeze", "1"));
	EXPECT_EQ(0, ask());
	set_group(&self->group, "cgroup.freeze", "0");
}

TEST_F_TIMEOUT(driver, freezer, TIMEOUT_S)
{
	if (make_group(&self->group, "cgroup", "freezer"))
		SKIP(return, "the freezer cannot be mounted: CONFIG_CGROUP_FREEZER");
	if (stays_out(join_group(&self->group, self->pid)))
		return;
	ASSERT_EQ(0, set_group(&self->group, "freezer.state", "FROZEN"));
	EXPECT_EQ(0, ask());
	set_group(&self->group, "freezer.state", "THAWED");
}

TEST_HARNESS_MAIN
