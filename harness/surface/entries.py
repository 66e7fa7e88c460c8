# SPDX-License-Identifier: GPL-2.0-only
"""Route: entry points from which the kernel looks up a task, its memory or its files.

BTF tells the lookups: the functions that return a task, an mm or a pid. So a lookup that is new in
a kernel counts at once, and so do all entry points that reach it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.host.commands import output_of
from harness.host.errors import UserError
from harness.surface.graph import read_graph

if TYPE_CHECKING:
    from pathlib import Path

    from harness.surface.graph import CallGraph
    from harness.surface.tree import KernelTree

_TYPED = re.compile(r"^struct (?:task_struct|mm_struct|pid) \* *(\w+)\(", re.MULTILINE)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_UNTYPED = _names(
    # They return something else, but act on a task or its memory as well.
    "ptrace_may_access __ptrace_may_access ptrace_check_attach access_process_vm access_remote_vm "
    "__access_remote_vm get_user_pages_remote pin_user_pages_remote fget_task fget_task_next "
    "task_lookup_fdget_rcu task_lookup_next_fdget_rcu get_task_exe_file get_task_cmdline "
    "get_cmdline walk_process_tree send_sig_all"
)
_NO_LOOKUP = _names(
    # Functions of these types that return the caller's own task, create one, or schedule.
    "__kthread_create_on_node __mutex_trylock_common __pick_next_task __pick_next_task_fair "
    "__switch_to alloc_pid copy_process cpu_curr_snapshot create_io_thread curr_task dl_task_of "
    "fair_server_pick_task find_alive_thread find_new_reaper fork_idle get_pid get_push_task "
    "get_rcu_tasks_gp_kthread get_rcu_tasks_rude_gp_kthread get_rcu_tasks_trace_gp_kthread "
    "get_task_pid idle_task idle_thread_get kthread_create_on_cpu kthread_create_on_node mm_alloc "
    "mm_init next_thread nldsq_next_task pgd_page_get_mm pick_next_pushable_dl_task "
    "pick_next_pushable_task pick_next_task_fair pick_task pick_task_dl pick_task_fair "
    "pick_task_idle pick_task_rt pick_task_scx pick_task_stop rt_task_of sched_core_next task_of "
    "timer_lock_sighand tty_get_pgrp"
)
_ASIDE = _names(
    # Any kernel function may call these, and what they do to a task does not come from the caller.
    # Each is an entry point of its own, or another route finds it.
    "__alloc_pages_slowpath try_charge_memcg handle_mm_fault "  # short of memory: the OOM killer
    "schedule __schedule select_task_rq "
    "do_exit do_group_exit get_signal do_coredump mm_release futex_exit_release futex_exec_release "
    "exit_to_user_mode_loop irqentry_exit_to_user_mode arch_do_signal_or_restart "
    "page_fault_oops __bad_area __bad_area_nosemaphore show_regs print_fatal_signal panic "
    "force_sig_info_to_task force_sig_info kill_fasync send_sigio send_sigurg send_sig "
    "uprobe_mmap uprobe_munmap uprobe_start_dup_mmap get_arg_page perf_prepare_sample "
    "create_io_worker audit_log_exit audit_log_d_path_exe scm_send __scm_send "
    "kernel_init_freeable kthread_stop call_usermodehelper_exec_work"
)
_OTHER_ABI = re.compile(
    r"__(?:ia32|ia32_compat|x32_compat)_sys_|__x64_sys_ia32_|__do_(?:compat_)?sys_"
)


def find_entries(tree: KernelTree) -> dict[str, str]:
    """Return each entry point that reaches a lookup, with its table and the path to the lookup.

    The other ABIs of a system call count as the same entry point.
    """
    graph = read_graph(tree.vmlinux)
    return entries_of(graph, lookups(tree.vmlinux))


def entries_of(graph: CallGraph, sinks: frozenset[str]) -> dict[str, str]:
    """Return the entry points of a call graph that reach one of `sinks`."""
    ways = graph.reaching(sinks, cut=_ASIDE)
    return {
        name: f"{place}: {' > '.join(ways[name][1:])}"
        for name, place in sorted(graph.entry_points.items())
        if name in ways and name not in sinks | _ASIDE and not _OTHER_ABI.match(name)
    }


def lookups(vmlinux: Path) -> frozenset[str]:
    """Return the kernel's lookups, by the types in its BTF. Raises UserError if it has no BTF."""
    status, output = output_of(["pfunct", "-F", "btf", "-P", str(vmlinux)])
    typed = set(_TYPED.findall(output))
    if status != 0 or not typed:
        raise UserError(
            f"{vmlinux} has no BTF",
            hint="build it with CONFIG_DEBUG_INFO_BTF; is pahole installed?",
        )
    return frozenset(typed - _NO_LOOKUP | _UNTYPED)
