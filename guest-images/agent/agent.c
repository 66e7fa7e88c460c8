// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's whole userspace: pid 1, /sbin/modprobe, and the agent that makes system
 * calls for the host. The name it is started by and its pid say which. Beside another
 * pid 1, `agent port` serves the virtio port; without the word, standard input and output.
 * As pid 1, `agent policy PROGRAM` loads a rival's policy and becomes that program.
 *
 * The agent's protocol, little endian, one request at a time (harness/attacker/agent/protocol.py
 * is the other side):
 *
 *   request  struct request, then its spans (writes first, then reads), then the bytes of
 *            the writes one after the other
 *   reply    struct reply, then the bytes of the reads
 *
 * Addresses lie in an arena mapped at a fixed place, so that the host can lay out iovecs
 * and argument vectors by itself.
 */
#include <asm/ioctls.h>
#include <asm/signal.h>
#include <asm/socket.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/reboot.h>
#include <linux/stat.h>
#include <linux/time_types.h>
#include <linux/types.h>

#include "bare.h"

#define ARENA 0x10000000UL
#define ARENA_SIZE 0x100000UL
#define SPANS_MAX 64
#define PORT_NAME "umd.agent"
#define PORT_WAIT_MS 5000

/* Clear of the low numbers, which an attacker expects to be handed by open(2). */
#define CHANNEL_FD 900

/* What no single system call gives; the numbers are out of the kernel's range. */
#define CALL_FORK 0x100000000ULL
#define CALL_SPAWN (CALL_FORK + 1)

/* This span holds no more bytes than the call's result says, and none if it failed. */
#define SPAN_BY_RESULT 1U

struct span {
	__u64 addr;
	__u32 size;
	__u32 flags;
};

struct request {
	__u32 length; /* of all that follows this field */
	__u32 id;
	__u64 nr;
	__u64 args[6];
	__u32 nwrites;
	__u32 nreads;
	struct span spans[];
};

struct reply {
	__u32 length; /* of all that follows this field */
	__u32 id;
	__s64 ret;
	unsigned char bytes[];
};

#define FRAME_MAX (sizeof(struct request) + SPANS_MAX * sizeof(struct span) + ARENA_SIZE)

static unsigned char frame[FRAME_MAX] __aligned(8);
static unsigned char answer[sizeof(struct reply) + ARENA_SIZE] __aligned(8);

struct channel {
	int in;
	int out;
	int is_port; /* a virtio port reads as ended whenever the host is not connected */
};

static size_t length(const char *text)
{
	size_t n = 0;

	while (text[n])
		n++;
	return n;
}

static int same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

/* Append to a path of fixed size; what does not fit is cut off, and the open then fails. */
static void append(char *path, size_t size, const char *text)
{
	size_t n = length(path);

	while (*text && n + 1 < size)
		path[n++] = *text++;
	path[n] = '\0';
}

static void say(const char *text)
{
	sys(__NR_write, 2, "umd-agent: ", 11);
	sys(__NR_write, 2, text, length(text));
	sys(__NR_write, 2, "\n", 1);
}

static void sleep_ms(long ms)
{
	struct __kernel_timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	sys(__NR_nanosleep, &time, NULL);
}

/* The beginning of a small file as text, without its last newline; empty if there is none. */
static void read_text(const char *path, char *text, size_t size)
{
	long n, fd = sys(__NR_open, path, O_RDONLY | O_CLOEXEC);

	text[0] = '\0';
	if (fd < 0)
		return;
	n = sys(__NR_read, fd, text, size - 1);
	sys(__NR_close, fd);
	if (n > 0 && text[n - 1] == '\n')
		n--;
	text[n > 0 ? n : 0] = '\0';
}

/* ------------------------------------------------------------------ signals */

/* As the kernel takes it on x86-64; <asm/signal.h> shows the C library's. */
struct action {
	void (*handler)(int sig);
	unsigned long flags, restorer, mask;
};

static unsigned long mask_of(int sig)
{
	return 1UL << (sig - 1);
}

static void set_signal(int sig, void (*handler)(int sig))
{
	struct action action = { .handler = handler };

	sys(__NR_rt_sigaction, sig, &action, NULL, sizeof(action.mask));
}

static void set_blocked(unsigned long mask)
{
	sys(__NR_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
}

/* A child starts with the signals of a fresh program, and does not outlive the agent. */
static void become_child(long agent)
{
	set_signal(SIGPIPE, SIG_DFL);
	set_blocked(0);
	sys(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL);
	/* It may have died before it was watched. */
	if (sys(__NR_getppid) != agent)
		leave(1);
}

/* ------------------------------------------------------- system calls on order */

static int in_arena(__u64 addr, __u64 size)
{
	return addr >= ARENA && size <= ARENA_SIZE && addr - ARENA <= ARENA_SIZE - size;
}

static long fork_idle(void)
{
	long agent = sys(__NR_getpid), pid = sys(__NR_fork);

	if (pid)
		return pid;
	become_child(agent);
	for (;;)
		sys(__NR_pause);
}

/* Put @from[i] at i, which another of the three may still be using: move them high first. */
static long set_stdio(const __s64 *from)
{
	long high[3];
	int to;

	for (to = 0; to < 3; to++) {
		long fd = from[to] < 0 ? sys(__NR_open, "/dev/null", O_RDWR) : from[to];

		high[to] = sys(__NR_fcntl, fd, F_DUPFD_CLOEXEC, CHANNEL_FD);
		if (high[to] < 0)
			return high[to];
	}
	for (to = 0; to < 3; to++)
		sys(__NR_dup2, high[to], to);
	return 0;
}

/*
 * args: path, argv, envp or 0, then the three descriptors (-1 for /dev/null). The child's
 * failure to start comes back through a pipe that a successful exec closes.
 */
static long spawn(const __u64 *args)
{
	static const char * const plain[] = { "PATH=/sbin:/bin", "HOME=/", NULL };
	long pid, ret, agent = sys(__NR_getpid);
	int ends[2], failure = 0;

	ret = sys(__NR_pipe2, ends, O_CLOEXEC);
	if (ret < 0)
		return ret;
	pid = sys(__NR_fork);
	if (!pid) {
		long out = sys(__NR_fcntl, ends[1], F_DUPFD_CLOEXEC, CHANNEL_FD);

		become_child(agent);
		failure = set_stdio((const __s64 *)&args[3]);
		if (!failure)
			failure = sys(__NR_execve, args[0], args[1],
				      args[2] ? args[2] : (__u64)plain);
		sys(__NR_write, out, &failure, sizeof(failure));
		leave(127);
	}
	sys(__NR_close, ends[1]);
	if (pid > 0 && sys(__NR_read, ends[0], &failure, sizeof(failure)) > 0)
		sys(__NR_wait4, pid, NULL, 0, NULL);
	sys(__NR_close, ends[0]);
	return failure ? failure : pid;
}

static long perform(const struct request *request)
{
	const __u64 *a = request->args;

	switch (request->nr) {
	case CALL_FORK:
		return fork_idle();
	case CALL_SPAWN:
		return spawn(a);
	case __NR_clone:
	case __NR_clone3:
	case __NR_fork:
	case __NR_vfork:
		/* Two processes would answer on one channel. */
		return -EOPNOTSUPP;
	default:
		return sys(request->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	}
}

/* Check the whole frame and put the writes in place; 0 if the frame is not sound. */
static int unpack(const struct request *request, size_t size)
{
	const unsigned char *bytes;
	size_t left, back = 0;
	__u32 i, nspans;

	if (size < sizeof(*request) || request->nwrites > SPANS_MAX ||
	    request->nreads > SPANS_MAX - request->nwrites)
		return 0;
	nspans = request->nwrites + request->nreads;
	left = size - sizeof(*request);
	if (left < nspans * sizeof(struct span))
		return 0;
	left -= nspans * sizeof(struct span);
	bytes = (const unsigned char *)&request->spans[nspans];
	for (i = 0; i < nspans; i++) {
		const struct span *span = &request->spans[i];

		if (!in_arena(span->addr, span->size))
			return 0;
		if (i >= request->nwrites) {
			back += span->size;
			continue;
		}
		if (span->size > left)
			return 0;
		memcpy((void *)span->addr, bytes, span->size);
		bytes += span->size;
		left -= span->size;
	}
	return !left && back <= ARENA_SIZE;
}

static size_t pack(const struct request *request, long ret)
{
	struct reply *reply = (struct reply *)answer;
	size_t size = sizeof(*reply);
	__u32 i;

	for (i = 0; i < request->nreads; i++) {
		const struct span *span = &request->spans[request->nwrites + i];
		size_t count = span->size;

		if (span->flags & SPAN_BY_RESULT && ret < (long)count)
			count = ret > 0 ? ret : 0;
		memcpy(answer + size, (const void *)span->addr, count);
		size += count;
	}
	reply->length = size - sizeof(reply->length);
	reply->id = request->id;
	reply->ret = ret;
	return size;
}

/*
 * One whole request into the frame; its size, 0 when the stream has ended, or an error.
 * Both sides speak in turn, so that a small request is one read, and bytes beyond it are
 * an error too.
 */
static long receive(const struct channel *channel)
{
	const unsigned long connected = mask_of(SIGIO);
	const struct request *request = (const struct request *)frame;
	size_t have = 0;

	for (;;) {
		long n = sys(__NR_read, channel->in, frame + have, sizeof(frame) - have);

		if (n == -EINTR)
			continue;
		if (!n && channel->is_port) {
			/* The host went away, maybe halfway: begin anew when it is back. */
			have = 0;
			sys(__NR_rt_sigtimedwait, &connected, NULL, NULL, sizeof(connected));
			continue;
		}
		if (n <= 0)
			return have ? -EPROTO : n;
		have += n;
		if (have < sizeof(request->length))
			continue;
		if (request->length > sizeof(frame) - sizeof(request->length) ||
		    have > request->length + sizeof(request->length))
			return -EPROTO;
		if (have == request->length + sizeof(request->length))
			return have;
	}
}

static int send(const struct channel *channel, size_t size)
{
	size_t done = 0;

	while (done < size) {
		long n = sys(__NR_write, channel->out, answer + done, size - done);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return 0;
		done += n;
	}
	return 1;
}

static int serve(const struct channel *channel)
{
	const struct request *request = (const struct request *)frame;
	long at, size;

	at = sys(__NR_mmap, ARENA, ARENA_SIZE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (at != (long)ARENA)
		return 1;
	/* A dead reader shall be EPIPE for the attacker, not the end of the agent. */
	set_signal(SIGPIPE, SIG_IGN);
	sys(__NR_umask, 0);

	while ((size = receive(channel)) > 0) {
		if (!unpack(request, size) || !send(channel, pack(request, perform(request))))
			return 1;
	}
	return size ? 1 : 0;
}

struct dirent {
	__u64 ino, off;
	__u16 size;
	__u8 type;
	char name[];
};

#include "policy.h"

/* ----------------------------------------------------------------- modprobe */

/* modprobe [-q] [-r] [--] NAME; needs nothing mounted, for the kernel may call it early. */
static int modprobe(char **argv)
{
	char name[64] = "", path[96] = "/lib/modules/";
	int remove = 0;
	long fd, ret;
	size_t i;

	for (argv++; *argv && (*argv)[0] == '-'; argv++)
		remove |= same(*argv, "-r");
	if (!*argv || awaits_policy())
		return 1;
	append(name, sizeof(name), *argv);
	for (i = 0; name[i]; i++) {
		if (name[i] == '-')
			name[i] = '_';
		if (name[i] == '/')
			return 1;
	}
	if (remove)
		return sys(__NR_delete_module, name, O_NONBLOCK) ? 1 : 0;

	append(path, sizeof(path), name);
	append(path, sizeof(path), ".ko");
	fd = sys(__NR_open, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 1;
	ret = sys(__NR_finit_module, fd, "", 0);
	return ret && ret != -EEXIST ? 1 : 0;
}

/* -------------------------------------------------------------------- pid 1 */

static void mount_all(void)
{
	const char *options = mount_options();
	static const struct {
		const char *type, *target;
	} mounts[] = {
		{ "proc", "/proc" },
		{ "sysfs", "/sys" },
		{ "devtmpfs", "/dev" },
		{ "tmpfs", "/tmp" },
		{ "securityfs", "/sys/kernel/security" },
		{ "debugfs", "/sys/kernel/debug" },
		{ "tracefs", "/sys/kernel/tracing" },
		{ "cgroup2", "/sys/fs/cgroup" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(mounts); i++) {
		const char *type = mounts[i].type;
		long ret = sys(__NR_mount, type, mounts[i].target, type, 0, options);

		/*
		 * A kernel may lack the filesystem, and with it the directory to mount it on.
		 * An initramfs may have left one there.
		 */
		if (ret && ret != -ENODEV && ret != -ENOENT && ret != -EBUSY)
			say(type);
	}
}

/* Open the virtio port of our name, which the driver may still be finding out. */
static long find_port(void)
{
	static const char ports[] = "/sys/class/virtio-ports/";
	char entries[1024] __aligned(8);
	long at, n, dir = sys(__NR_open, ports, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long port = -ENODEV;

	while (port < 0 && (n = sys(__NR_getdents64, dir, entries, sizeof(entries))) > 0) {
		for (at = 0; at < n; at += ((struct dirent *)(entries + at))->size) {
			struct dirent *entry = (struct dirent *)(entries + at);
			char path[128] = "", name[32];

			append(path, sizeof(path), ports);
			append(path, sizeof(path), entry->name);
			append(path, sizeof(path), "/name");
			read_text(path, name, sizeof(name));
			if (!same(name, PORT_NAME))
				continue;
			path[0] = '\0';
			append(path, sizeof(path), "/dev/");
			append(path, sizeof(path), entry->name);
			port = sys(__NR_open, path, O_RDWR | O_CLOEXEC);
		}
	}
	if (dir >= 0)
		sys(__NR_close, dir);
	return port;
}

static long wait_for_port(void)
{
	long port, ms;

	for (ms = 0; ms < PORT_WAIT_MS; ms++) {
		port = find_port();
		if (port >= 0)
			break;
		sleep_ms(1);
	}
	return port;
}

/* The port tells by SIGIO that the host has come; blocked, so that it is waited for only. */
static int serve_port(long port)
{
	struct channel channel = { .is_port = 1 };
	long fd = sys(__NR_fcntl, port, F_DUPFD_CLOEXEC, CHANNEL_FD);

	channel.in = fd;
	channel.out = fd;
	sys(__NR_close, port);
	set_signal(SIGCHLD, SIG_DFL);
	set_blocked(mask_of(SIGIO));
	sys(__NR_fcntl, fd, F_SETOWN, sys(__NR_getpid));
	sys(__NR_fcntl, fd, F_SETFL, O_RDWR | FASYNC);
	return serve(&channel);
}

static long run(const char * const *argv)
{
	static const char * const env[] = {
		"PATH=/sbin:/bin", "HOME=/", "TERM=linux", "PS1=umd# ", "ENV=/etc/shrc", NULL
	};
	char console[32], path[64] = "/dev/";
	long fd, pid = sys(__NR_fork);

	if (pid)
		return sys(__NR_wait4, pid, NULL, 0, NULL);
	/* Job control needs a real terminal: /dev/console cannot be one. */
	read_text("/sys/class/tty/console/active", console, sizeof(console));
	append(path, sizeof(path), console);
	sys(__NR_setsid);
	fd = sys(__NR_open, path, O_RDWR);
	if (fd >= 0) {
		sys(__NR_ioctl, fd, TIOCSCTTY, 1);
		sys(__NR_dup2, fd, 0);
		sys(__NR_dup2, fd, 1);
		sys(__NR_dup2, fd, 2);
	}
	set_signal(SIGCHLD, SIG_DFL);
	if (enter_domain())
		sys(__NR_execve, argv[0], argv, env);
	leave(127);
}

static int has_word(const char *line, const char *word)
{
	size_t i, n = length(word);

	while (*line) {
		for (i = 0; i < n && line[i] == word[i]; i++)
			;
		if (i == n && (!line[n] || line[n] == ' '))
			return 1;
		while (*line && *line != ' ')
			line++;
		while (*line == ' ')
			line++;
	}
	return 0;
}

/* Serve the port from a child, and outlive it. */
static int serve_host(void)
{
	static const struct reply farewell = { .length = sizeof(farewell) - sizeof(__u32) };
	long agent, port = wait_for_port();

	if (port < 0) {
		say("no virtio port " PORT_NAME ": that we end is to be seen from outside");
		return 1;
	}
	agent = sys(__NR_fork);
	if (!agent) {
		/* What pid 1 holds open is not root's. */
		sys(__NR_close_range, 3, port - 1, 0);
		sys(__NR_close_range, port + 1, ~0U, 0);
		return enter_domain() ? serve_port(port) : 1;
	}
	/*
	 * Whatever becomes of the agent, the machine stays: the witness is still to be read.
	 * Reply 0, which nobody asked for, spares the host a wait for its deadline.
	 */
	sys(__NR_wait4, agent, NULL, 0, NULL);
	sys(__NR_write, port, &farewell, sizeof(farewell));
	for (;;)
		sys(__NR_pause);
}

/* As pid 1; @next is the program that takes over, or NULL. */
static int init(char **next, char **envp)
{
	static const char * const install[] = { "/bin/busybox", "--install", "-s", "/bin", NULL };
	static const char * const shell[] = { "/bin/busybox", "sh", NULL };
	char cmdline[2048];

	/* The kernel reaps for us. */
	set_signal(SIGCHLD, SIG_IGN);
	mount_all();
	if (!load_policies())
		return 1;
	if (next && !part_from_kernel())
		return 1;
	read_text("/proc/cmdline", cmdline, sizeof(cmdline));
	if (!has_word(cmdline, "umd.unsealed") && !seal_policy())
		return 1;
	sys(__NR_unlink, AWAITING);
	if (next)
		return hand_over(next, envp);
	if (has_word(cmdline, "umd.shell")) {
		run(install);
		run(shell);
		/* Not power-off, which a kernel without ACPI cannot do: QEMU has -no-reboot. */
		sys(__NR_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
		    LINUX_REBOOT_CMD_RESTART, NULL);
		return 1;
	}
	return serve_host();
}

int main(int argc, char **argv, char **envp)
{
	struct channel stdio = { .in = 0, .out = 1 };
	const char *name = argc ? argv[0] : "", *at;

	for (at = name; *at; at++) {
		if (at[0] == '/')
			name = at + 1;
	}
	if (same(name, "modprobe"))
		return modprobe(argv);
	if (sys(__NR_getpid) == 1)
		return init(argc > 2 && same(argv[1], "policy") ? argv + 2 : NULL, envp);
	if (argc > 1 && same(argv[1], "port"))
		return serve_host();
	return serve(&stdio);
}
