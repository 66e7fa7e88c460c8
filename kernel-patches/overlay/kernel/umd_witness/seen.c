// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which functions others called on the handler: the one that an attack must reach
 * (without it, "refused" is not believed), and every hook of the security modules.
 *
 * A function counts that has among its arguments the handler's task or something that
 * is the handler's alone. How many arguments it has, its BTF says: what else is in the
 * registers may be left from anything. ftrace, not kprobes: it watches every hook at no
 * cost to the rest, and while a permanent user is there root cannot switch it off.
 */
#include <linux/bpf.h>
#include <linux/bsearch.h>
#include <linux/btf.h>
#include <linux/compiler.h>
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/ftrace.h>
#include <linux/init_task.h>
#include <linux/kallsyms.h>
#include <linux/perf_event.h>
#include <linux/pipe_fs_i.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include <asm/syscall.h>

#include "witness.h"

#define ARGUMENTS	6	/* that are passed in registers */
#define OBJECTS		16
#define HANDLERS	4	/* the latest, and those that may have been abandoned */
#define ANY_CALL	(-1)

#define tally umd_witness_tally

static struct task_struct *watched;
static struct witness_sight handlers[HANDLERS];
static unsigned int latest;
static unsigned long objects[OBJECTS];
static int named_arguments[WITNESS_NAMED];
static int named_call = ANY_CALL;

/* All of them, sorted by ip. */
static struct hook {
	unsigned long ip;
	int arguments;
	bool can_refuse;
	bool of_perf_event;
} *hooks;

static int hooks_count;

/* Wherever the kernel was loaded to, the host knows this much. */
static s64 distance(unsigned long ip)
{
	return ip - (unsigned long)&tally;
}

static bool is_handlers(unsigned long argument)
{
	int i;

	for (i = 0; argument && i < OBJECTS; i++) {
		if (argument == READ_ONCE(objects[i]))
			return true;
	}
	return false;
}

static bool on_handler(struct ftrace_regs *fregs, int arguments)
{
	int n;

	for (n = 0; n < arguments; n++) {
		if (is_handlers(ftrace_regs_get_argument(fregs, n)))
			return true;
	}
	return false;
}

/* An event tells whom it is about: its hook could ask. */
static bool is_about_handler(const struct hook *hook, struct ftrace_regs *fregs)
{
	const struct perf_event *event = (void *)ftrace_regs_get_argument(fregs, 0);

	if (hook->of_perf_event && is_handlers((unsigned long)READ_ONCE(event->hw.target)))
		return true;
	return on_handler(fregs, hook->arguments);
}

/* Whether the current task is in the system call that the watched functions are expected in. */
static bool is_in_call(void)
{
	return !in_ia32_syscall() && syscall_get_nr(current, current_pt_regs()) == named_call;
}

static void see_named(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
		      struct ftrace_regs *fregs)
{
	bool in_call;
	int i;

	/* The kernel's own calls prove nothing, nor do the handler's. */
	if (current->flags & PF_KTHREAD || current == READ_ONCE(watched))
		return;

	in_call = is_in_call();
	for (i = 0; i < WITNESS_NAMED; i++) {
		if (tally.named[i].function != distance(ip))
			continue;
		if (on_handler(fregs, named_arguments[i])) {
			tally.named[i].on_handler++;
			tally.named[i].on_handler_in_call += in_call;
		} else {
			tally.named[i].elsewhere++;
			tally.named[i].elsewhere_in_call += in_call;
		}
	}
}

static int compare_hooks(const void *a, const void *b)
{
	const struct hook *one = a, *other = b;

	return one->ip < other->ip ? -1 : one->ip > other->ip;
}

static struct witness_hook *hook_entry(const struct hook *hook)
{
	s64 place = distance(hook->ip);
	int i;

	for (i = 0; i < WITNESS_HOOKS; i++) {
		s64 function = READ_ONCE(tally.hooks[i].function);

		if (!function)
			function = cmpxchg64(&tally.hooks[i].function, 0, place) ?: place;
		if (function == place)
			return &tally.hooks[i];
	}
	return NULL;
}

static void see_hook(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
		     struct ftrace_regs *fregs)
{
	const struct hook key = { .ip = ip }, *hook;
	struct witness_hook *entry;

	if (current == READ_ONCE(watched))
		return;

	hook = bsearch(&key, hooks, hooks_count, sizeof(*hooks), compare_hooks);
	if (!hook || !is_about_handler(hook, fregs))
		return;

	entry = hook_entry(hook);
	if (entry) {
		entry->can_refuse = hook->can_refuse;
		entry->on_handler++;
	}
}

static struct ftrace_ops named_ops = {
	.func = see_named,
	.flags = FTRACE_OPS_FL_PERMANENT,
};

static struct ftrace_ops hook_ops = {
	.func = see_hook,
	.flags = FTRACE_OPS_FL_PERMANENT,
};

static void add_pipe(unsigned long **next, struct file *file)
{
	*(*next)++ = (unsigned long)file;
	*(*next)++ = (unsigned long)file_inode(file);
}

/* Kernel threads share credentials with everything the kernel starts. */
static void add_cred(unsigned long **next, const struct cred *cred)
{
	if (cred != &init_cred)
		*(*next)++ = (unsigned long)cred;
}

/**
 * witness_see - watch this handler from now on
 * @task: the handler
 * @info: its pipes, or NULL for a kernel thread
 *
 * Holds references, also to earlier handlers, which the library may have given up on: a task that
 * comes to lie at the same address is another.
 */
void witness_see(struct task_struct *task, const struct umd_info *info)
{
	struct witness_sight *sight = &handlers[(latest + 1) % HANDLERS];
	unsigned long found[OBJECTS] = {}, *next = found;
	struct task_struct *before;
	struct file *exe;

	*next++ = (unsigned long)task;
	*next++ = (unsigned long)task->signal;
	*next++ = (unsigned long)task_pid(task);
	add_cred(&next, rcu_access_pointer(task->real_cred));
	add_cred(&next, rcu_access_pointer(task->cred));
	if (info) {
		*next++ = (unsigned long)task->mm;
		*next++ = (unsigned long)task->files;
		add_pipe(&next, info->pipe_to_umh);
		add_pipe(&next, info->pipe_from_umh);
		exe = get_task_exe_file(task);
		if (exe) {
			add_pipe(&next, exe);
			fput(exe);
		}
	}

	sight->entered = WITNESS_NO_CALL;
	sight->written = 0;
	sight->writes = false;
	before = xchg(&sight->task, get_task_struct(task));
	latest++;
	WRITE_ONCE(watched, task);
	memcpy(objects, found, sizeof(objects));
	if (before)
		put_task_struct(before);
}

/**
 * witness_forget - the handler has ended: all but its task may be another's soon
 * @task: a task that ends
 *
 * Return: whether it was the latest handler.
 */
bool witness_forget(struct task_struct *task)
{
	if (task != READ_ONCE(watched))
		return false;

	memset(objects + 1, 0, sizeof(objects) - sizeof(objects[0]));
	return true;
}

struct witness_sight *witness_sees(struct task_struct *task)
{
	int i;

	for (i = 0; i < HANDLERS; i++) {
		if (task == READ_ONCE(handlers[i].task))
			return &handlers[i];
	}
	return NULL;
}

/* How many bytes the latest handler has written. */
u64 witness_written(void)
{
	return READ_ONCE(handlers[latest % HANDLERS].written);
}

/* The prototype of a function by its BTF; NULL if that has none. */
static const struct btf_type *prototype_of(const struct btf *btf, const char *name)
{
	s32 id = btf_find_by_name_kind(btf, name, BTF_KIND_FUNC);

	return id < 0 ? NULL : btf_type_by_id(btf, btf_type_by_id(btf, id)->type);
}

static int arguments_of(const struct btf_type *prototype)
{
	return min_t(int, btf_type_vlen(prototype), ARGUMENTS);
}

/* Where ftrace calls from in this function; 0 if nothing is known of its arguments. */
static unsigned long place_of(unsigned long function, int *arguments)
{
	const struct btf *btf = bpf_get_btf_vmlinux();
	const struct btf_type *prototype;
	unsigned long offset;
	char name[KSYM_NAME_LEN];
	const char *found;
	char *module;

	found = kallsyms_lookup(function, NULL, &offset, &module, name);
	if (!found || IS_ERR_OR_NULL(btf))
		return 0;

	prototype = prototype_of(btf, found);
	if (!prototype)
		return 0;

	*arguments = arguments_of(prototype);
	return ftrace_location(function);
}

/* A function that cannot be watched stays 0. */
void witness_watch(const s64 *functions, int call)
{
	unsigned long ips[WITNESS_NAMED];
	int i, n = 0;

	named_call = call;
	for (i = 0; i < WITNESS_NAMED; i++) {
		unsigned long ip = 0;

		memset(&tally.named[i], 0, sizeof(tally.named[i]));
		if (functions[i])
			ip = place_of((unsigned long)&tally + functions[i], &named_arguments[i]);
		if (!ip)
			continue;
		tally.named[i].function = distance(ip);
		ips[n++] = ip;
	}
	if (!n || ftrace_set_filter_ips(&named_ops, ips, n, 0, 1) ||
	    (!(named_ops.flags & FTRACE_OPS_FL_ENABLED) && register_ftrace_function(&named_ops)))
		memset(tally.named, 0, sizeof(tally.named));
}

/* That something of the handler's is freed is no attack. */
static bool is_hook(const char *name)
{
	return strstarts(name, "security_") && !strstr(name, "_free");
}

static int __init find_hooks(const struct btf *btf)
{
	int i, n = btf_nr_types(btf), count = 0;

	for (i = 1; i < n; i++) {
		const struct btf_type *prototype, *type = btf_type_by_id(btf, i);
		const char *name = btf_name_by_offset(btf, type->name_off);
		unsigned long ip;

		if (BTF_INFO_KIND(type->info) != BTF_KIND_FUNC || !is_hook(name))
			continue;
		ip = ftrace_location(kallsyms_lookup_name(name));
		if (!ip)
			continue;
		if (hooks) {
			prototype = btf_type_by_id(btf, type->type);
			hooks[count].ip = ip;
			hooks[count].arguments = arguments_of(prototype);
			hooks[count].can_refuse = prototype->type;
			hooks[count].of_perf_event = strstarts(name, "security_perf_event_") &&
						     strcmp(name, "security_perf_event_open");
		}
		count++;
	}
	return count;
}

static int __init watch_hooks(void)
{
	const struct btf *btf = bpf_get_btf_vmlinux();
	unsigned long *ips;
	int i, ret;

	if (IS_ERR_OR_NULL(btf))
		return -ENOENT;

	hooks_count = find_hooks(btf);
	hooks = kcalloc(hooks_count, sizeof(*hooks), GFP_KERNEL);
	ips = kcalloc(hooks_count, sizeof(*ips), GFP_KERNEL);
	if (!hooks || !ips)
		return -ENOMEM;

	find_hooks(btf);
	sort(hooks, hooks_count, sizeof(*hooks), compare_hooks, NULL);
	for (i = 0; i < hooks_count; i++)
		ips[i] = hooks[i].ip;
	ret = ftrace_set_filter_ips(&hook_ops, ips, hooks_count, 0, 1);
	kfree(ips);
	return ret ?: register_ftrace_function(&hook_ops);
}

void __init witness_see_init(void)
{
	if (watch_hooks())
		pr_err("umd_witness: the hooks cannot be watched\n");
}
