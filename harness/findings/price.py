# SPDX-License-Identifier: GPL-2.0-only
"""The price of each defence: what its commits change in files that the kernel has already.

New files, such as the umd LSM, are not in the price: nobody else's code changes by them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.host.paths import KERNEL_PATCHES
from harness.kernel.series.lines import DEFAULT_LINE
from harness.kernel.series.series_file import load_series
from harness.studies.defences import DEFENCES

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from harness.kernel.series.commits import Series

SHARED = "shared"
"""The part that every defence needs: the mark from the fork on, the LSM, the confinement."""

FILTER = "seccomp filter"
"""The filter that a build-time option puts in place of strict seccomp: no defence needs it."""

OUTSIDE = "outside"
"""Commits without a part in the isolation: library, sample, tests, fresh drivers, an errno."""

COMMITS: Mapping[str, str] = {
    "0000-framework": OUTSIDE,
    "0000-ftrace": OUTSIDE,
    "0001-cleanup": OUTSIDE,
    "0002-library": OUTSIDE,
    "0003-sample": OUTSIDE,
    "0004-seccomp-strict": "seccomp",
    "0005-mlock": "locked",
    "0006-umh": SHARED,
    "0007-isolation": SHARED,
    "0008-strict": "seccomp",
    "0009-access": "access",
    "0010-signals": "signals",
    "0011-cgroups": "cgroups",
    "0012-freezer": "freezer",
    "0013-oom": "oom",
    "0014-futex": "futex",
    "0015-audit": "audit",
    "0016-locked": "locked",
    "0017-confine": SHARED,
    "0018-workers": "sched",
    "0019-bpf": "bpf",
    "0020-probes": "probes",
    "0021-perf": "perf",
    "0022-faults": "faults",
    "0023-cookie": "inherited",
    "0024-pipes": "pipes",
    "0025-pages": "pages",
    "0026-exec": "exec",
    "0027-image": "image",
    "0028-uprobes": "access",
    "0029-forks": "cgroups",
    "0030-rescuers": "sched",
    "0031-fresh": OUTSIDE,
    "0032-told": OUTSIDE,
    "0033-seccomp-filter": FILTER,
    "0034-filter": FILTER,
    "selftest": OUTSIDE,
    "0035-witness": OUTSIDE,
}
"""The defence that each commit of the series is for, by the name of its patch."""

HOT: Mapping[tuple[str, str], str] = {
    ("kernel/fork.c", "copy_process"): "each fork",
    ("kernel/fork.c", "get_task_mm"): "each access to another task's memory",
    ("kernel/signal.c", "sig_task_ignored"): "each signal",
    ("kernel/trace/bpf_trace.c", "trace_call_bpf"): "each BPF program on a trace event",
    ("kernel/bpf/trampoline.c", "__bpf_prog_enter"): "each BPF program on a function",
    ("arch/x86/lib/usercopy.c", "copy_from_user_nmi"): "each user stack that perf walks",
    ("mm/maccess.c", "copy_from_user_nofault"): "each probe of user memory",
    ("kernel/events/core.c", "perf_event_init_task"): "each fork",
    ("kernel/auditsc.c", "audit_alloc"): "each fork",
    ("kernel/sched/core_sched.c", "sched_core_clone_cookie"): "each fork",
    ("fs/read_write.c", "rw_verify_area"): "each read and write",
    ("mm/rmap.c", "done"): "each walk over the mappings of a page",  # rmap_walk(), after this label
    ("mm/compaction.c", "isolate_migratepages_block"): "each page that compaction looks at",
    ("kernel/events/uprobes.c", "uprobe_clear_state"): "each end of a process",
    ("kernel/cgroup/cgroup.c", "cgroup_css_set_fork"): "each fork",
    ("kernel/signal.c", "exit_signals"): "each end of a process",
    ("mm/mmap.c", "do_mmap"): "each mmap",
    ("mm/mmap.c", "do_brk_flags"): "each brk",
    ("mm/util.c", "__vm_enough_memory"): "each mapping that is accounted",
    ("security/commoncap.c", "cap_vm_enough_memory"): "each mapping that is accounted",
    ("security/commoncap.c", "cap_mmap_addr"): "each mmap",
    ("kernel/workqueue.c", "create_worker"): "each new worker of a workqueue",
}
"""The functions that run so often that a test in them may cost something, and when they run.

A change counts for one of them by the heading of its hunk. A heading may cut a name short.
"""

_HEADING = re.compile(r"^@@ [^@]+ @@(.*)$")
_NAME = re.compile(r"(\w+)(?:\(|$)")


@dataclass(frozen=True)
class Price:
    """What the commits of one defence change in the kernel's own files."""

    lines: int = 0
    """The lines that are added."""

    files: tuple[str, ...] = ()
    """The files that are changed."""

    paths: tuple[str, ...] = ()
    """The hot paths that are changed: when they run."""

    def __add__(self, other: Price) -> Price:
        """Return the price of both."""
        return Price(
            self.lines + other.lines,
            tuple(dict.fromkeys((*self.files, *other.files))),
            tuple(dict.fromkeys((*self.paths, *other.paths))),
        )


def prices(series: Series) -> dict[str, Price]:
    """Return the price of each defence, of `SHARED` and of `FILTER`.

    Raises KeyError for a patch that `COMMITS` does not have.
    """
    found = dict.fromkeys((*DEFENCES, SHARED, FILTER), Price())
    ours = {name for commit in series.commits for name in commit.overlay}
    for commit in series.commits:
        if commit.patch is not None:
            owner = COMMITS[commit.patch.stem]
            if owner != OUTSIDE:
                found[owner] += price_of(commit.patch.read_text().splitlines(), ours)
    return found


def shipped_prices() -> dict[str, Price]:
    """Return the prices by our series for the default line."""
    return prices(load_series(DEFAULT_LINE, patches=KERNEL_PATCHES))


def price_of(patch: Iterable[str], ours: Container[str] = ()) -> Price:
    """Return the price of one patch: its lines. The files that are `ours` are new, and free."""
    price, file, is_free = Price(), "", True
    for line in patch:
        if line.startswith("--- "):
            is_free = line == "--- /dev/null"
        elif line.startswith("+++ "):
            file = line.removeprefix("+++ ").split("\t")[0].removeprefix("b/")
            is_free = is_free or file in ours
        elif is_free:
            continue
        elif line.startswith(("+", "-")):
            price += Price(int(line[0] == "+"), (file,))
        elif heading := _HEADING.match(line):
            price += Price(0, (), tuple(_hot(file, heading[1])))
    return price


def _hot(file: str, heading: str) -> Iterable[str]:
    """Yield when the function of a hunk runs, if it is a hot one."""
    name = _NAME.search(heading)
    for (where, function), when in HOT.items():
        if name and where == file and function.startswith(name[1]):
            yield when
