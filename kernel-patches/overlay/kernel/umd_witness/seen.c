// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which functions others called on the handler: the one that an attack must reach
 * (without it, "refused" is not believed), and every hook of the security modules.
 *
 * A function counts that has among its arguments the handler's task or something that
 * is the handler's alone. ftrace, not kprobes: it watches every hook at no cost to the
 * rest, and while a permanent user is there root cannot switch it off.
 */
#include <linux/compiler.h>
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/ftrace.h>
#include <linux/init_task.h>
#include <linux/pipe_fs_i.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/string.h>

#include "witness.h"

#define ARGUMENTS	6
#define OBJECTS		16

#define tally umd_witness_tally

static struct task_struct *watched;
static unsigned long objects[OBJECTS];

/* Wherever the kernel was loaded to, the host knows this much. */
static s64 distance(unsigned long ip)
{
	return ip - (unsigned long)&tally;
}

static bool on_handler(struct ftrace_regs *fregs)
{
	int i, n;

	for (n = 0; n < ARGUMENTS; n++) {
		unsigned long argument = ftrace_regs_get_argument(fregs, n);

		for (i = 0; argument && i < OBJECTS; i++) {
			if (argument == READ_ONCE(objects[i]))
				return true;
		}
	}
	return false;
}

static void see_named(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
		      struct ftrace_regs *fregs)
{
	int i;

	/* The kernel's own calls prove nothing, nor do the handler's. */
	if (current->flags & PF_KTHREAD || current == READ_ONCE(watched))
		return;

	for (i = 0; i < WITNESS_NAMED; i++) {
		if (tally.named[i].function != distance(ip))
			continue;
		if (on_handler(fregs))
			tally.named[i].on_handler++;
		else
			tally.named[i].elsewhere++;
	}
}

static struct witness_seen *hook_entry(s64 place)
{
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
	struct witness_seen *hook;

	if (current == READ_ONCE(watched) || !on_handler(fregs))
		return;

	hook = hook_entry(distance(ip));
	if (hook)
		hook->on_handler++;
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
 * Holds a reference: a task that comes to lie at the same address is another.
 */
void witness_see(struct task_struct *task, const struct umd_info *info)
{
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

	before = xchg(&watched, get_task_struct(task));
	memcpy(objects, found, sizeof(objects));
	if (before)
		put_task_struct(before);
}

/**
 * witness_forget - the handler has ended: all but its task may be another's soon
 * @task: a task that ends
 *
 * Return: whether it was the handler.
 */
bool witness_forget(struct task_struct *task)
{
	if (task != READ_ONCE(watched))
		return false;

	memset(objects + 1, 0, sizeof(objects) - sizeof(objects[0]));
	return true;
}

bool witness_sees(struct task_struct *task)
{
	return task == READ_ONCE(watched);
}

/* A function that ftrace has no place in stays 0. */
void witness_watch(const s64 *functions)
{
	unsigned long ips[WITNESS_NAMED];
	int i, n = 0;

	for (i = 0; i < WITNESS_NAMED; i++) {
		unsigned long ip = 0;

		memset(&tally.named[i], 0, sizeof(tally.named[i]));
		if (functions[i])
			ip = ftrace_location((unsigned long)&tally + functions[i]);
		if (!ip)
			continue;
		tally.named[i].function = distance(ip);
		ips[n++] = ip;
	}
	if (!n || ftrace_set_filter_ips(&named_ops, ips, n, 0, 1) ||
	    (!(named_ops.flags & FTRACE_OPS_FL_ENABLED) && register_ftrace_function(&named_ops)))
		memset(tally.named, 0, sizeof(tally.named));
}

void __init witness_see_init(void)
{
	static char hooks[] __initdata = "security_*", last[] __initdata = "security_*_free*";

	/* That something of the handler's is freed is no attack. */
	if (ftrace_set_filter(&hook_ops, hooks, strlen(hooks), 1) ||
	    ftrace_set_notrace(&hook_ops, last, strlen(last), 1) ||
	    register_ftrace_function(&hook_ops))
		pr_err("umd_witness: the hooks cannot be watched\n");
}
