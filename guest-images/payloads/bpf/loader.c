// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loads a BPF object: loader [--pin FOLDER] OBJECT [CONSTANT=HEX]...
 *
 * The constants are variables of the object's .rodata, their bytes as they lie in memory. On
 * standard output come two numbers: first 0 once every program is attached, or -errno; then the
 * object's `hits`, as soon as it is not 0 or WAIT_MS have passed. Behind them come the bytes of
 * its `taken`, if it has that variable. The programs stay until the loader is killed. With --pin
 * they stay without it: it ends after the first number, and the folder of a bpffs keeps them.
 *
 * An iterator is read once to its end; a struct_ops map is registered; a program of a perf event
 * gets a breakpoint, on every process, at the address that is the object's `breakpoint`; a program of
 * a tracepoint whose name begins with SLEEPS may sleep, and so may an iterator's, which a process of
 * its own reads.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WAIT_MS	500
#define SLEEPS	"sleep_"

static const char *pins;

/*
 * libelf.a of elfutils 0.192 lacks these (sourceware.org bug 32293). They tend a tree of raw
 * chunks, which libbpf never asks for: an empty tree takes no work.
 */
__attribute__((weak)) void eu_search_tree_init(void *tree, void *compare)
{
	(void)tree, (void)compare;
}

__attribute__((weak)) void eu_search_tree_fini(void *tree, void *free_node)
{
	(void)tree, (void)free_node;
}

/* A global variable's place in the memory of its section; NULL if there is none of that name. */
static void *find(struct bpf_object *object, const char *section, const char *name, size_t *size)
{
	const struct btf *btf = bpf_object__btf(object);
	struct bpf_map *map;
	const struct btf_var_secinfo *at;
	const struct btf_type *type;
	char *memory;
	size_t all;
	__s32 id;
	int i;

	id = btf__find_by_name_kind(btf, section, BTF_KIND_DATASEC);
	map = bpf_object__find_map_by_name(object, section);
	if (id < 0 || !map)
		return NULL;
	memory = bpf_map__initial_value(map, &all);
	type = btf__type_by_id(btf, id);
	at = btf_var_secinfos(type);
	for (i = 0; memory && i < btf_vlen(type); i++, at++) {
		const struct btf_type *variable = btf__type_by_id(btf, at->type);

		if (!strcmp(btf__name_by_offset(btf, variable->name_off), name)) {
			*size = at->size;
			return memory + at->offset;
		}
	}
	return NULL;
}

/* NAME=HEX into .rodata, all of the variable or -EINVAL. */
static int set(struct bpf_object *object, char *assignment)
{
	char *hex = strchr(assignment, '=');
	unsigned char *to;
	size_t size, i;

	if (!hex)
		return -EINVAL;
	*hex++ = '\0';
	to = find(object, ".rodata", assignment, &size);
	if (!to || strlen(hex) != 2 * size)
		return -EINVAL;
	for (i = 0; i < size; i++, hex += 2) {
		if (sscanf(hex, "%2hhx", to + i) != 1)
			return -EINVAL;
	}
	return 0;
}

/* Whoever executes the instruction at the object's `breakpoint`, on the only CPU. */
static struct bpf_link *attach_breakpoint(struct bpf_object *object, struct bpf_program *program)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_BREAKPOINT,
		.size = sizeof(attr),
		.bp_type = HW_BREAKPOINT_X,
		.bp_len = sizeof(long),
		.sample_period = 1,
	};
	size_t size;
	__u64 *at = find(object, ".rodata", "breakpoint", &size);
	int fd;

	if (!at) {
		errno = EINVAL;
		return NULL;
	}
	attr.bp_addr = *at;
	fd = syscall(__NR_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? NULL : bpf_program__attach_perf_event(program, fd);
}

/* What an iterator does, it does while it is read. */
static int run_iterator(struct bpf_link *link)
{
	char text[256];
	int fd = bpf_iter_create(bpf_link__fd(link));
	ssize_t n;

	if (fd < 0)
		return fd;
	do {
		n = read(fd, text, sizeof(text));
	} while (n > 0);
	close(fd);
	return n ? -errno : 0;
}

/* The process ends with the loader. */
static int run_iterator_aside(struct bpf_link *link)
{
	pid_t pid = fork();

	if (pid)
		return pid < 0 ? -errno : 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	_exit(run_iterator(link) ? 1 : 0);
}

static bool sleeps(const struct bpf_program *program)
{
	return !strncmp(bpf_program__name(program), SLEEPS, strlen(SLEEPS));
}

static int pin(struct bpf_link *link, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", pins, name);
	return bpf_link__pin(link, path);
}

static int attach(struct bpf_object *object, struct bpf_program *program)
{
	struct bpf_link *link;

	switch (bpf_program__type(program)) {
	case BPF_PROG_TYPE_STRUCT_OPS:
		return 0;	/* with its map */
	case BPF_PROG_TYPE_PERF_EVENT:
		link = attach_breakpoint(object, program);
		break;
	default:
		link = bpf_program__attach(program);
	}
	if (!link)
		return -errno;
	if (bpf_program__expected_attach_type(program) == BPF_TRACE_ITER)
		return sleeps(program) ? run_iterator_aside(link) : run_iterator(link);
	return pins ? pin(link, bpf_program__name(program)) : 0;
}

/* libbpf 1.5 has no section for a tracepoint's program that may sleep. */
static void may_sleep(struct bpf_program *program)
{
	if (bpf_program__expected_attach_type(program) == BPF_TRACE_RAW_TP && sleeps(program))
		bpf_program__set_flags(program, bpf_program__flags(program) | BPF_F_SLEEPABLE);
}

static int start(struct bpf_object *object, char **constants)
{
	struct bpf_program *program;
	struct bpf_map *map;
	int ret;

	for (; *constants; constants++) {
		ret = set(object, *constants);
		if (ret)
			return ret;
	}
	bpf_object__for_each_program(program, object)
		may_sleep(program);
	ret = bpf_object__load(object);
	if (ret)
		return ret;
	bpf_object__for_each_program(program, object) {
		ret = attach(object, program);
		if (ret)
			return ret;
	}
	bpf_object__for_each_map(map, object) {
		if (bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS &&
		    !bpf_map__attach_struct_ops(map))
			return -errno;
	}
	return 0;
}

static void tell_bytes(const void *bytes, size_t size)
{
	if (write(STDOUT_FILENO, bytes, size) != (ssize_t)size)
		_exit(1);
}

static void tell(int number)
{
	tell_bytes(&number, sizeof(number));
}

int main(int argc, char **argv)
{
	volatile __u32 *hits;
	struct bpf_object *object;
	void *taken;
	size_t size;
	int ret, ms;

	if (argc > 3 && !strcmp(argv[1], "--pin")) {
		pins = argv[2];
		argc -= 2;
		argv += 2;
	}
	if (argc < 2)
		return 2;
	object = bpf_object__open(argv[1]);
	ret = object ? start(object, argv + 2) : -errno;
	tell(ret);
	if (ret)
		return 1;
	if (pins)
		return 0;

	hits = find(object, ".bss", "hits", &size);
	for (ms = 0; hits && !*hits && ms < WAIT_MS; ms++)
		usleep(1000);
	tell(hits ? *hits : 0);
	taken = find(object, ".bss", "taken", &size);
	if (taken)
		tell_bytes(taken, size);
	for (;;)
		pause();
}
