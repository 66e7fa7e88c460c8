# SPDX-License-Identifier: GPL-2.0-only
"""A kernel tree of a few lines, built: enough of one for the routes of the attack surface."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from harness.surface.tree import KernelTree

if TYPE_CHECKING:
    from pathlib import Path

HOOKS = """
LSM_HOOK(int, 0, task_kill, struct task_struct *p, struct kernel_siginfo *info,
  int sig, const struct cred *cred)
LSM_HOOK(void, LSM_RET_VOID, bprm_committed_creds, const struct linux_binprm *bprm)
LSM_HOOK(int, -EINVAL, getprocattr, struct task_struct *p, const char *name,
  char **value)
"""

TASKS = """
struct task_struct { int prio; unsigned long flags; struct signal_struct *signal; };
struct operations { long (*write)(int); };
struct task_struct table[4];

__attribute__((noinline)) struct task_struct *find_task(int pid) { return &table[pid & 3]; }
__attribute__((noinline)) static void set(int pid) { find_task(pid)->prio = pid; }
static long set_write(int pid) { set(pid); return 0; }
static long idle_write(int pid) { return pid; }
const struct operations set_operations = { .write = set_write };
const struct operations idle_operations = { .write = idle_write };
__attribute__((noinline)) static void later(int pid) { set(pid); }
__attribute__((noinline)) void queue(void (*work)(int)) { work(1); }
long __x64_sys_later(void) { queue(later); return 0; }
long __ia32_sys_set(int pid) { set(pid); return 0; }
int _start(void) { return set_operations.write(0) + idle_operations.write(0); }
"""

SIGNALS = """
static void tell(struct task_struct *p, struct pid *group)
{
	do_send_sig_info(SIGKILL, SEND_SIG_PRIV, p, PIDTYPE_TGID);
	do_send_sig_info(SIGKILL, SEND_SIG_PRIV, current, PIDTYPE_TGID);
	kill_pgrp(group, SIGHUP, 1);
	kill_pgrp(group, SIGHUP, 0);
	group_send_sig_info(SIGKILL, SEND_SIG_PRIV, p, PIDTYPE_TGID);
	group_send_sig_info(SIGKILL, SEND_SIG_NOINFO, p, PIDTYPE_TGID);
}
"""

WRITES = """
static void theirs(struct task_struct *p, struct mm_struct *mm)
{
	p->prio = 1;
	p->signal->flags |= 2;
	WRITE_ONCE(p->static_prio, 3);
	mm->def_flags = 0;
}

static void own(void)
{
	struct task_struct *me = current;

	me->prio = 1;
	current->prio = 2;
}

static void own_or_not(struct task_struct *p)
{
	struct task_struct *who = current;

	if (p)
		who = p;
	who->prio = 1;
}
"""

SPARES = """
#include "own.h"

static void spares(struct task_struct *p)
{
	if (p->flags & PF_KTHREAD)
		return;
	poke(p);
}

static void asks(struct task_struct *p)
{
	if (p->flags & PF_KTHREAD || umd_defended(p, UMD_OOM))
		return;
	poke(p);
}

static void is_made(void)
{
	current->flags |= PF_KTHREAD;
}

static bool has_memory(struct task_struct *p)
{
	return p->mm && p->prio;
}

static void has_none(struct task_struct *p)
{
	if (!p->mm)
		poke(p);
}

static void uses_memory(struct task_struct *p)
{
	struct mm_struct *mm = p->mm;

	if (p->mm == mm && current->mm->def_flags)
		mmput(mm);
	if (mm != p->mm && current->prio)
		mmget(mm);
}

static void takes_memory(struct task_struct *p)
{
	struct mm_struct *mm = READ_ONCE(p->mm);

	if (!mm)
		return;
	poke(p);
}

static void other_memory(struct vm_area *p)
{
	if (p->mm)
		poke(p->task);
}

DEFINE_IDTENTRY(exc_poke)
{
	if (!user_mode(regs))
		return;
}
"""

SPARES_HEADER = """
#define IN_A_MACRO(regs) user_mode(regs)

static inline bool is_spared(struct task_struct *p)
{
	return is_global_init(p);
}
"""


def small_tree(folder: Path) -> KernelTree:
    """Write the tree and build it. What is in `unbuilt.c` is not compiled."""
    source, objects = folder / "source", folder / "objects"
    definitions = source / "include/linux/lsm_hook_defs.h"
    definitions.parent.mkdir(parents=True)
    definitions.write_text(HOOKS)
    (source / "kernel").mkdir()
    (objects / "kernel").mkdir(parents=True)
    texts = {"tasks": TASKS, "signals": SIGNALS, "spares": SPARES, "unbuilt": WRITES + SPARES}
    for name, text in texts.items():
        (source / "kernel" / f"{name}.c").write_text(text)
    (source / "kernel/writes.c").write_text('#include "writes_in.c"\n')
    (source / "kernel/writes_in.c").write_text(WRITES)
    (source / "include/linux/spares.h").write_text(SPARES_HEADER)
    (source / "kernel/own.h").write_text(SPARES_HEADER.replace("is_spared", "is_spared_here"))
    (source / "kernel/foreign.h").write_text(SPARES_HEADER.replace("is_spared", "is_foreign"))
    names = [f"kernel/{name}.o" for name in ("signals", "spares", "writes")]
    for name in (*names, "kernel/unbuilt.o"):  # of a former configuration
        (objects / name).touch()
    subprocess.run(["ar", "rcT", "vmlinux.a", names[0]], cwd=objects, check=True)
    (objects / "modules.order").write_text("kernel/m.o\n")
    (objects / "kernel/m.mod").write_text("\n".join(names[1:]))
    (objects / ".config").write_text(
        "CONFIG_BPF=y\nCONFIG_M=m\n# CONFIG_N is not set\nCONFIG_S=3\n"
    )
    (objects / "source").symlink_to(source)
    command = "gcc -g -O1 -fno-pic -no-pie -mcmodel=kernel -nostdlib -static -fcf-protection=none"
    link = "-Wl,-Ttext-segment=0xffffffff81000000"
    tasks, vmlinux = str(source / "kernel/tasks.c"), str(objects / "vmlinux")
    subprocess.run([*command.split(), link, tasks, "-o", vmlinux], check=True)
    subprocess.run(["pahole", "-J", vmlinux], check=True)
    return KernelTree("small", source, objects)
