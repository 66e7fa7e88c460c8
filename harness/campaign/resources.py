# SPDX-License-Identifier: GPL-2.0-only
"""What arguments are made of: processes, files, contents and numbers, by the type of a parameter.

Nothing here knows an attack. A file or a number is in a list because it is of the kernel's
interface to processes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.campaign.call_types import CallType, Parameter

PIDS = (
    *(("handler",) * 10),
    *("worker", "worker", "kthreadd", "init", "self", "bystander", "group", "everyone"),
)
"""The processes to choose from; one that is named more often is chosen more often."""

SCRATCH_CGROUP = "/sys/fs/cgroup/c"
"""The cgroup that the executor makes for a batch, with the controllers that the kernel has of cpu,
cpuset, io, memory and pids."""

_OF_A_PROCESS = (
    *("mem", "maps", "smaps", "pagemap", "auxv", "environ", "stack", "syscall", "wchan", "stat"),
    *("oom_score_adj", "timerslack_ns", "clear_refs", "coredump_filter", "comm", "cgroup"),
    *("sched", "autogroup", "io", "limits", "loginuid", "make-it-fail", "fail-nth", "personality"),
    *("exe", "cwd", "root", "fd/0", "fd/1", "fdinfo/0", "map_files", "ns/pid", "ns/mnt", "ns/user"),
    *("attr/current", "attr/exec", "setgroups", "uid_map", "gid_map", "projid_map", "timers"),
    *("task/{handler}/mem", "task/{handler}/comm", "task/{handler}/children", "oom_adj"),
)

_OF_THE_SYSTEM = (
    *("/proc/sysrq-trigger", "/proc/self/mem", "/dev/null", "/dev/a", "/dev/b", "/"),
    *("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/yama/ptrace_scope"),
    *("/proc/sys/kernel/usermodehelper/bset", "/proc/sys/kernel/usermodehelper/inheritable"),
    *("/proc/sys/kernel/ns_last_pid", "/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"),
    *("/proc/sys/vm/overcommit_memory", "/proc/sys/vm/drop_caches", "/proc/sys/vm/max_map_count"),
    *("/proc/sys/vm/compact_memory", "/proc/sys/vm/mmap_min_addr", "/proc/sys/vm/swappiness"),
    *("/proc/sys/kernel/randomize_va_space", "/proc/sys/kernel/modprobe"),
    *("/proc/sys/fs/pipe-max-size", "/proc/sys/fs/pipe-user-pages-hard", "/proc/sys/fs/nr_open"),
    *("/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/cgroup.subtree_control"),
    SCRATCH_CGROUP,
    *(
        f"{SCRATCH_CGROUP}/{name}"
        for name in ("cgroup.procs", "cgroup.threads", "cgroup.freeze", "cgroup.kill", "cpu.max")
    ),
    *(f"{SCRATCH_CGROUP}/{name}" for name in ("memory.high", "memory.max", "pids.max")),
    *("/sys/kernel/tracing/set_event_pid", "/sys/kernel/tracing/set_ftrace_pid"),
    *("/sys/kernel/tracing/kprobe_events", "/sys/kernel/tracing/uprobe_events"),
    *("/sys/kernel/tracing/current_tracer", "/sys/kernel/debug/sched/features"),
    *("/sys/module/umd_witness_loader", "/sys/power/state", "/sys/power/pm_test"),
)

_OF_MEMORY = (
    *("/sys/devices/system/memory/hard_offline_page", "/sys/kernel/debug/hwpoison/corrupt-pfn"),
    *("/sys/devices/system/memory/soft_offline_page", "/sys/kernel/debug/hwpoison/unpoison-pfn"),
    "/sys/kernel/debug/mce-inject/addr",
)

FILES = (
    *(f"/proc/{{handler}}/{name}" for name in _OF_A_PROCESS),
    *(f"/proc/{{worker}}/{name}" for name in _OF_A_PROCESS),
    *_OF_THE_SYSTEM,
    *_OF_MEMORY,
)
"""The paths to choose from, as texts of programs."""

CONTENTS = (
    *("{handler}", "{handler}", "{worker}", "0", "1", "2", "-1", "1000", "-1000", "max", "+cpu"),
    *("+memory", "e", "i", "f", "k", "nop", "\n"),
)
"""What is written to files and passed as strings."""

NUMBERS = (
    *(0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 16, 17, 18, 19, 24, 31, 32, 64, 128, 4096),
    *(-1, -100, 0x10, 0x20, 0x40, 0x80, 0x100, 0x200, 0x400, 0x800, 0x1000, 0x4000, 0x80000),
    *(0x4200, 0x4206, 0x4207, 0x7FFFFFFF, 0x80000000),
)
"""Numbers for flags, options and commands; those of ptrace(2) begin with 0x4200."""

SIZES = (0, 1, 4, 8, 16, 24, 32, 64, 128, 256, 1024, 4096)

NEVER_MADE = frozenset(
    (
        *("fork", "vfork", "clone", "clone3", "execve", "execveat", "exit", "exit_group"),
        *("rt_sigreturn", "reboot", "kexec_load", "kexec_file_load", "init_module", "iopl"),
        *("finit_module", "delete_module", "pause", "vhangup", "sync", "syncfs", "rseq"),
        *("rt_sigsuspend", "munmap", "mremap", "mprotect", "pkey_mprotect", "brk", "arch_prctl"),
        *("set_tid_address", "sigaltstack", "rt_sigaction", "rt_sigprocmask", "close_range"),
        *("modify_ldt", "set_thread_area", "seccomp", "mseal", "map_shadow_stack", "ioperm"),
        *("clock_settime", "settimeofday", "adjtimex", "clock_adjtime", "pivot_root", "chroot"),
        *("umount2", "unshare", "nanosleep", "clock_nanosleep", "alarm", "setitimer"),
    )
)
"""Calls that end the machine or load code into the kernel, whose verdicts are none, and calls that
only stop or break the process that makes them."""

_ABOUT_PROCESSES = ("futex", "io_uring_setup")
"""Calls whose memory names a process or a file (structures.py)."""

_PID_NAMES = frozenset(("pid", "tgid", "tid", "upid", "who", "pid1", "pid2"))
_FD_NAMES = frozenset(
    (
        *("fd", "dfd", "ufd", "fildes", "fd_in", "fd_out", "in_fd", "out_fd", "olddfd", "newdfd"),
        *(
            "epfd",
            "fdin",
            "fdout",
            "group_fd",
            "from_dfd",
            "to_dfd",
            "dirfd",
            "mountdirfd",
            "fs_fd",
        ),
        *("oldfd", "fanotify_fd", "mqdes", "ruleset_fd"),
    )
)
_PATH_NAMES = frozenset(
    (
        *("filename", "pathname", "path", "oldname", "newname", "name", "dir_name", "dev_name"),
        *("specialfile", "from_pathname", "to_pathname", "new_root", "special", "library"),
    )
)


def in_scratch_cgroup(text: str) -> bool:
    """Whether a text is a path in the scratch cgroup."""
    return f"{text}/".startswith(f"{SCRATCH_CGROUP}/")


def is_made(call: CallType) -> bool:
    """Whether programs may make the call."""
    return call.name not in NEVER_MADE


def sort(parameter: Parameter) -> str:
    """Return what a parameter takes: a pid, a pidfd, an fd, a signal, a path, memory and so on."""
    kind, name = parameter.type, parameter.name
    if "iovec" in kind:
        return "iovec"
    if kind == "const char *":
        return "path" if name in _PATH_NAMES else "text"
    if parameter.is_pointer or kind.startswith("cap_user"):
        return "memory"
    if kind == "pid_t" or name in _PID_NAMES:
        return "pid"
    if name == "pidfd":
        return "pidfd"
    if name in _FD_NAMES:
        return "fd"
    if name == "sig":
        return "signal"
    return "size" if kind == "size_t" or name in ("len", "count", "size", "vlen") else "number"


def weight(call: CallType) -> int:
    """Return how often a call is chosen: more often if it names a process, or a file.

    `write` has the highest weight, because procfs, sysfs, cgroups and tracefs are used by writing,
    and `bpf` the second, because its programs have a grammar of their own.
    """
    sorts = {sort(parameter) for parameter in call.parameters}
    if call.name == "bpf":
        return 48
    if sorts & {"pid", "pidfd"} or call.name in _ABOUT_PROCESSES:
        return 16
    if call.name == "write":
        return 96
    return 4 if sorts & {"fd", "path"} else 1
