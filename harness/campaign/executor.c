// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs a batch of programs in the guest: each in a process of its own, one after the other, with a
 * time limit. harness/campaign/wire.py writes the batch and reads what this prints:
 *
 *   batch    struct batch, the known addresses, then for each program struct program, its calls,
 *            their arguments
 *   output   struct outcome for each program, the number of new addresses, each as struct new_pc,
 *            then all memory that the kernel may have written
 *
 * The addresses are those of kernel code that programs covered: their lower 32 bits. Without KCOV
 * their number is 0.
 */
#include <asm/signal.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/ioctl.h>
#include <linux/kcov.h>
#include <linux/mman.h>
#include <linux/poll.h>
#include <linux/types.h>

#include "bare.h"
#include "number.h"

#define PROGRAMS_MAX 256
#define CALLS_MAX 12 /* as in program.py */
#define BATCH_MAX (1 << 20)
#define ROOMS (28 << 10) /* all output must fit into OUTPUT_KEPT of agent/program.py */
#define NEW_PCS_MAX 1024 /* of a batch */
#define HIGH_FD 1000 /* from here on, descriptors are the executor's */
#define COVERED_MAX (1 << 14) /* of a program */
#define KNOWN (1 << 16) /* more than a kernel has instrumented addresses */
#define PRIVATE (1 << 20)
#define TICK_MS 5
#define PAGE 4096

#define STAYS 1
#define REPEATS 2
#define TICK_NS 1000000 /* between looks for a new handler */
#define COMM 16 /* TASK_COMM_LEN */
#define PF_KTHREAD 0x00200000
#define RESERVED_PIDS 300

enum kind { NUMBER, NAME, MADE, TEXT, ROOM, DATA };

/* In the order of NAMES in program.py. */
enum name {
	HANDLER, WORKER, KTHREADD, INIT, SELF, BYSTANDER, GROUP, EVERYONE, CALLER,
	ADDRESS, FRAME, KPROBE, NAMES
};

#define FIRST_NAME 14 /* in a string, as in wire.py */

struct batch {
	__u32 programs;
	__u32 limit_ms; /* for one program */
	__u32 known;
	__u32 unused;
};

struct new_pc {
	__u32 program;
	__u32 pc;
};

struct program {
	__u32 calls;
	__u32 flags; /* STAYS, REPEATS */
};

struct call {
	__u32 number;
	__u32 arguments;
};

/* A string or data follow, padded to 8 bytes; then the fields, each as struct field. */
struct argument {
	__u32 kind;
	__u32 size;
	__s64 value; /* of data: lower half: fields; upper half: bytes of memory, if more than size */
};

struct field {
	__u32 offset;
	__u32 width;
	struct argument argument;
};

struct outcome {
	__u32 begun; /* calls */
	__u32 ended;
	__s64 results[CALLS_MAX];
};

static unsigned char input[BATCH_MAX] __aligned(8);
static unsigned char private[PRIVATE] __aligned(PAGE);
static size_t private_used;
static __u32 known[KNOWN]; /* a hash table */
static struct new_pc new_pcs[NEW_PCS_MAX];
static __u64 new_pcs_used;
static __u64 *covered; /* KCOV's buffer, which all processes share: a number, then addresses */
static long kcov, loadavg;
static char handler_name[COMM];
static int is_repeated;
static long named[NAMES];

/* In memory that all processes share. */
static struct shared {
	struct outcome outcomes[PROGRAMS_MAX];
	__u64 rooms_used;
	unsigned char rooms[ROOMS] __aligned(16);
} *shared;

/* Memory of whole pages is aligned to a page, as IORING_SETUP_NO_MMAP wants. */
static void *take(size_t size)
{
	size_t align = size && size % PAGE == 0 ? PAGE : 16;
	size_t start = (private_used + align - 1) & ~(align - 1);

	if (start > PRIVATE || size > PRIVATE - start)
		leave(2);
	private_used = start + size;
	return private + start;
}

/* What does not fit into the shared memory is not shown, and neither are repeated calls' rooms. */
static void *room(size_t size)
{
	size_t padded = (size + 15) & ~15UL;
	void *at = shared->rooms + shared->rooms_used;

	if (is_repeated || padded > ROOMS - shared->rooms_used)
		return take(size);
	shared->rooms_used += padded;
	return at;
}

static char *decimal(char *to, long value)
{
	char digits[20];
	int n = 0;

	if (value < 0) {
		*to++ = '-';
		value = -value;
	}
	do {
		digits[n++] = '0' + value % 10;
	} while (value /= 10);
	while (n)
		*to++ = digits[--n];
	return to;
}

/* FIRST_NAME and the bytes that follow stand for numbers in decimal. */
static __s64 expand(const unsigned char *text, size_t size)
{
	char *start = take(size * 20 + 1), *to = start;
	size_t i;

	for (i = 0; i < size; i++) {
		if (text[i] >= FIRST_NAME && text[i] < FIRST_NAME + NAMES)
			to = decimal(to, named[text[i] - FIRST_NAME]);
		else
			*to++ = text[i];
	}
	*to = '\0';
	return (__s64)start;
}

static __s64 fields_of(const struct argument *data)
{
	return data->value & 0xffffffff;
}

static size_t memory_size(const struct argument *data)
{
	size_t larger = data->value >> 32;

	return larger > data->size ? larger : data->size;
}

static const unsigned char *resolve(const unsigned char *at, const __s64 *made, __s64 *value);

static const unsigned char *fill(const unsigned char *at, __s64 fields, unsigned char *to,
				 const __s64 *made)
{
	while (fields--) {
		const struct field *field = (const struct field *)at;
		__s64 value;

		at = resolve((const unsigned char *)&field->argument, made, &value);
		memcpy(to + field->offset, &value, field->width);
	}
	return at;
}

/* Returns what follows the argument. */
static const unsigned char *resolve(const unsigned char *at, const __s64 *made, __s64 *value)
{
	const struct argument *argument = (const struct argument *)at;
	const unsigned char *body = at + sizeof(*argument);
	const unsigned char *end = body + ((argument->size + 7) & ~7UL);

	*value = argument->value;
	switch (argument->kind) {
	case NAME:
		*value = named[argument->value];
		return body;
	case MADE:
		*value = made[argument->value] < 0 ? -1 : made[argument->value];
		return body;
	case ROOM:
		*value = (__s64)room(argument->size);
		return body;
	case TEXT:
		*value = expand(body, argument->size);
		return end;
	case DATA:
		*value = (__s64)take(memory_size(argument));
		memcpy((void *)*value, body, argument->size);
		return fill(end, fields_of(argument), (unsigned char *)*value, made);
	}
	return body;
}

static const unsigned char *skip(const unsigned char *at)
{
	const struct argument *argument = (const struct argument *)at;
	const unsigned char *end = at + sizeof(*argument);
	__s64 field;

	if (argument->kind == TEXT || argument->kind == DATA)
		end += (argument->size + 7) & ~7UL;
	for (field = 0; argument->kind == DATA && field < fields_of(argument); field++)
		end = skip(end + 8);
	return end;
}

static const unsigned char *after(const struct program *program)
{
	const unsigned char *at = (const unsigned char *)(program + 1);
	__u32 i, j;

	for (i = 0; i < program->calls; i++) {
		const struct call *call = (const struct call *)at;

		at += sizeof(*call);
		for (j = 0; j < call->arguments; j++)
			at = skip(at);
	}
	return at;
}

/* What is printed is the executor's alone. */
static void become_child(void)
{
	long nowhere = sys(__NR_open, "/dev/null", O_RDWR), to;

	for (to = 0; to < 3; to++)
		sys(__NR_dup2, nowhere, to);
	if (nowhere > 2)
		sys(__NR_close, nowhere);
	sys(__NR_setpgid, 0, 0);
	named[SELF] = sys(__NR_getpid);
}

/* Returns whether the address is new. If the table is full, none is. */
static int learn(__u32 pc)
{
	__u32 at = pc * 2654435761U % KNOWN, tries;

	for (tries = 0; tries < KNOWN; tries++, at = (at + 1) % KNOWN) {
		if (known[at] == pc)
			return 0;
		if (!known[at]) {
			known[at] = pc;
			return 1;
		}
	}
	return 0;
}

/* The low descriptors are left to the programs. */
static long open_high(const char *path, long flags)
{
	long low = sys(__NR_open, path, flags), high = sys(__NR_fcntl, low, F_DUPFD, HIGH_FD);

	sys(__NR_close, low);
	return high;
}

static void open_kcov(void)
{
	kcov = open_high("/sys/kernel/debug/kcov", O_RDWR);
	if (kcov < 0 || sys(__NR_ioctl, kcov, KCOV_INIT_TRACE, COVERED_MAX))
		return;
	covered = (__u64 *)sys(__NR_mmap, NULL, COVERED_MAX * sizeof(*covered),
			       PROT_READ | PROT_WRITE, MAP_SHARED, kcov, 0);
	if ((long)covered < 0)
		covered = NULL;
}

static void note_new_pcs(__u32 program)
{
	__u64 i, count = covered ? covered[0] : 0;

	for (i = 1; i <= count && i < COVERED_MAX && new_pcs_used < NEW_PCS_MAX; i++) {
		if (!learn(covered[i]))
			continue;
		new_pcs[new_pcs_used].program = program;
		new_pcs[new_pcs_used++].pc = covered[i];
	}
	if (covered)
		covered[0] = 0;
}

static void make_calls(const struct program *program, struct outcome *outcome)
{
	const unsigned char *at = (const unsigned char *)(program + 1);
	__u32 i, j;

	for (i = 0; i < program->calls; i++) {
		const struct call *call = (const struct call *)at;
		__s64 a[6] = {};

		at += sizeof(*call);
		for (j = 0; j < call->arguments; j++)
			at = resolve(at, outcome->results, &a[j]);
		outcome->begun = i + 1;
		outcome->results[i] = sys(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
	}
}

/* Reads the start of a file; returns how much, at most size - 1, and ends it as a string. */
static long text_of(const char *path, char *text, long size)
{
	long file = sys(__NR_open, path, O_RDONLY);
	long got = sys(__NR_read, file, text, size - 1);

	sys(__NR_close, file);
	text[got > 0 ? got : 0] = '\0';
	return got > 0 ? got : 0;
}

/* Returns the number that is a file's only line, or 0. */
static long number_in(const char *path)
{
	char text[32];
	long size = text_of(path, text, sizeof(text));

	if (size > 0 && text[size - 1] == '\n')
		text[size - 1] = '\0';
	return number(text, 10);
}

/* Returns a number field of a process's stat, counted as in proc(5), or 0. Names may have spaces. */
static unsigned long stat_field(long pid, int field)
{
	char path[64] = "/proc/", text[512];
	unsigned long value = 0;
	const char *at;

	memcpy(decimal(path + 6, pid), "/stat", 6);
	at = text + text_of(path, text, sizeof(text));
	while (at > text && *at != ')')
		at--;
	for (field -= 2; *at && field > 0; at++)
		field -= *at == ' ';
	for (; *at >= '0' && *at <= '9'; at++)
		value = 10 * value + *at - '0';
	return value;
}

static void name_of(long pid, char name[COMM])
{
	char path[64] = "/proc/";

	memset(name, 0, COMM);
	memcpy(decimal(path + 6, pid), "/comm", 6);
	text_of(path, name, COMM);
}

/* Until its exec, a handler is a child of kthreadd like any other, but no kernel thread. */
static int is_handler(long pid)
{
	char name[COMM];
	size_t i;

	name_of(pid, name);
	if (!name[0])
		return 0;
	for (i = 0; i < COMM && name[i] == handler_name[i]; i++)
		;
	return i == COMM || (stat_field(pid, 4) == 2 && !(stat_field(pid, 9) & PF_KTHREAD));
}

/* The pid that was given last, which ends /proc/loadavg. */
static long last_pid(void)
{
	char text[128];
	long size = sys(__NR_pread64, loadavg, text, sizeof(text) - 1, 0), at;

	if (size <= 0)
		return 0;
	text[size - 1] = '\0';
	for (at = size - 1; at > 0 && text[at - 1] != ' '; at--)
		;
	return number(text + at, 10);
}

/* Returns where a string continues after its start, or NULL if it has another start. */
static const char *after_start(const char *text, const char *start)
{
	while (*start && *text == *start)
		text++, start++;
	return *start ? NULL : text;
}

/* Returns the first thread whose name has this start, and later this part; kthreadd if none has. */
static long thread_named(const char *start, const char *part)
{
	char path[64] = "/proc/", name[64];
	long pid, last = last_pid();
	const char *at;

	for (pid = 3; pid <= last; pid++) {
		memcpy(decimal(path + 6, pid), "/comm", 6);
		text_of(path, name, sizeof(name));
		for (at = after_start(name, start); at; at = *at ? at + 1 : NULL) {
			if (after_start(at, part))
				return pid;
		}
	}
	return 2;
}

/* Waits for another handler. Each pid is looked at twice, because at first it may have no files. */
static void await_handler(void)
{
	long tick[2] = { 0, TICK_NS }, from = named[HANDLER] + 1, before = from - 1, pid;

	for (;; sys(__NR_nanosleep, tick, NULL)) {
		long last = last_pid();

		if (last < before)
			from = RESERVED_PIDS; /* they began again */
		for (pid = from; pid <= last; pid++) {
			if (pid == named[HANDLER] || !is_handler(pid))
				continue;
			named[HANDLER] = pid;
			named[GROUP] = -pid;
			return;
		}
		from = before < last ? before + 1 : from;
		before = last;
	}
}

static __noreturn void perform(const struct program *program, struct outcome *outcome)
{
	struct outcome again = {};

	become_child();
	if (covered)
		sys(__NR_ioctl, kcov, KCOV_ENABLE, KCOV_TRACE_PC);
	make_calls(program, outcome);
	if (covered)
		sys(__NR_ioctl, kcov, KCOV_DISABLE, 0);
	outcome->ended = 1;
	while (program->flags & REPEATS) {
		await_handler();
		sys(__NR_close_range, 3, HIGH_FD - 1, 0);
		sys(__NR_madvise, private, PRIVATE, MADV_DONTNEED); /* zeroes it */
		private_used = 0;
		is_repeated = 1;
		make_calls(program, &again);
	}
	while (program->flags & STAYS)
		sys(__NR_pause);
	leave(0);
}

/* A process that stays is left alone once it has made its calls. */
static void run(const struct program *program, struct outcome *outcome, long limit_ms)
{
	long child = sys(__NR_fork), process, waited;
	struct pollfd polled = { .events = POLLIN };

	if (!child)
		perform(program, outcome);
	if (child < 0)
		return;
	process = sys(__NR_pidfd_open, child, 0);
	polled.fd = process;
	for (waited = 0; waited < limit_ms; waited += TICK_MS) {
		if (sys(__NR_poll, &polled, 1, TICK_MS) > 0)
			break;
		if (program->flags & STAYS && outcome->ended)
			goto out;
	}
	sys(__NR_kill, child, SIGKILL);
	/* One that cannot die yet is left to its fate. */
	if (sys(__NR_poll, &polled, 1, limit_ms) > 0)
		sys(__NR_wait4, child, NULL, 0, NULL);
out:
	sys(__NR_close, process);
}

static long idle(void)
{
	long pid = sys(__NR_fork);

	if (pid)
		return pid;
	become_child();
	for (;;)
		sys(__NR_pause);
}

/* SCRATCH_CGROUP in resources.py, with the controllers that the kernel has. */
static void make_cgroup(void)
{
	static const char * const controllers[] = { "+cpu", "+cpuset", "+io", "+memory", "+pids" };
	long file = sys(__NR_open, "/sys/fs/cgroup/cgroup.subtree_control", O_WRONLY);
	size_t i, size;

	for (i = 0; i < ARRAY_SIZE(controllers); i++) {
		for (size = 0; controllers[i][size]; size++)
			;
		sys(__NR_write, file, controllers[i], size);
	}
	sys(__NR_close, file);
	sys(__NR_mkdir, "/sys/fs/cgroup/c", 0755);
}

static const char *value_of(char **envp, const char *name)
{
	for (; *envp; envp++) {
		const char *value = after_start(*envp, name);

		if (value)
			return value;
	}
	return "0";
}

static void print(const void *from, size_t size)
{
	while (size) {
		long written = sys(__NR_write, 1, from, size);

		if (written <= 0)
			leave(3);
		from = (const char *)from + written;
		size -= written;
	}
}

int main(int argc, char **argv, char **envp)
{
	const struct batch *batch = (const struct batch *)input;
	const unsigned char *at = input + sizeof(*batch);
	const __u32 *known_before = (const __u32 *)at;
	size_t have = 0;
	long n, file;
	__u32 i;

	file = sys(__NR_open, argc > 1 ? argv[1] : "/tmp/batch", O_RDONLY);
	while ((n = sys(__NR_read, file, input + have, sizeof(input) - have)) > 0)
		have += n;
	sys(__NR_close, file);
	shared = (struct shared *)sys(__NR_mmap, NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (have < sizeof(*batch) || (long)shared < 0 || batch->programs > PROGRAMS_MAX)
		return 4;
	named[HANDLER] = number(value_of(envp, "UMD_HANDLER_PID="), 10);
	named[GROUP] = -named[HANDLER];
	named[KTHREADD] = 2;
	named[INIT] = 1;
	named[EVERYONE] = -1;
	name_of(named[HANDLER], handler_name);
	named[BYSTANDER] = idle();
	make_cgroup();
	open_kcov();
	loadavg = open_high("/proc/loadavg", O_RDONLY);
	/* A kworker that worked last for the library's workqueue has its name at the end. */
	named[WORKER] = thread_named("kworker/", "umd_");
	named[CALLER] = thread_named("umd_witness", "");
	named[ADDRESS] = number(value_of(envp, "UMD_HANDLER_ADDRESS="), 10);
	named[FRAME] = named[ADDRESS] / PAGE;
	named[KPROBE] = number_in("/sys/bus/event_source/devices/kprobe/type");
	for (i = 0; i < batch->known; i++)
		learn(known_before[i]);
	at += (batch->known * sizeof(*known_before) + 7) & ~7UL;
	for (i = 0; i < batch->programs; i++) {
		const struct program *program = (const struct program *)at;

		run(program, &shared->outcomes[i], batch->limit_ms);
		note_new_pcs(i);
		at = after(program);
	}
	print(shared->outcomes, batch->programs * sizeof(struct outcome));
	print(&new_pcs_used, sizeof(new_pcs_used));
	print(new_pcs, new_pcs_used * sizeof(*new_pcs));
	print(shared->rooms, shared->rooms_used);
	return 0;
}
