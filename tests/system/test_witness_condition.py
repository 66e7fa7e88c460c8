# SPDX-License-Identifier: GPL-2.0-only
"""The witness records changed properties of the handler, and functions called with it."""

from __future__ import annotations

import struct
import time
from errno import EBUSY
from os import O_RDONLY
from pathlib import Path
from signal import SIGSTOP
from typing import TYPE_CHECKING, Any

import pytest
from cells import Cells, cells

from harness.attacker.agent.syscalls import NUMBERS
from harness.attacker.agent.tracee import PTRACE_SEIZE
from harness.attacker.tools.perf import PerfEvent
from harness.guests.payloads import compile_program
from harness.host.paths import KERNEL_PATCHES
from harness.lab.trial import TALLY
from harness.model.verdict import Verdict
from harness.scenarios import Effect
from harness.scenarios.registry import PTRACE_CHECK
from harness.scenarios.startup import ELF_ENTRY
from harness.witness.handler import WayOut
from harness.witness.tally import Violation

if TYPE_CHECKING:
    from collections.abc import Callable

    from late_replies import Failures

    from harness.attacker import Attacker
    from harness.lab.lab import Lab
    from harness.witness.handler import Handler
    from harness.witness.reader import Witness

    Change = Callable[[Attacker, int], None]

__all__ = ["cells"]

RLIMIT_NPROC = 6
SCHED_BATCH = 3
KILL = "security_task_kill"
NO_WAY: Any = 99
"""No WayOut that the handler with a backdoor knows."""
IMPOSTOR = Path(__file__).with_name("impostor.c")
ANSWER = KERNEL_PATCHES / "overlay/kernel/umd_witness/answer.h"
IOPRIO_WHO_PROCESS, IOPRIO_IDLE = 1, 3 << 13


def limit(attacker: Attacker, pid: int) -> None:
    attacker.syscall("prlimit64", pid, RLIMIT_NPROC, struct.pack("<QQ", 77, 77), 0)


def policy(attacker: Attacker, pid: int) -> None:
    attacker.sched_setscheduler(pid, SCHED_BATCH, 0)


def nice(attacker: Attacker, pid: int) -> None:
    attacker.syscall("setpriority", 0, pid, 7)


def io_priority(attacker: Attacker, pid: int) -> None:
    attacker.syscall("ioprio_set", IOPRIO_WHO_PROCESS, pid, IOPRIO_IDLE)


def slack(attacker: Attacker, pid: int) -> None:
    attacker.write_file(f"/proc/{pid}/timerslack_ns", b"1234567")


def oom_score(attacker: Attacker, pid: int) -> None:
    attacker.write_file(f"/proc/{pid}/oom_score_adj", b"77")


def cgroup(attacker: Attacker, pid: int) -> None:
    attacker.mkdir("/sys/fs/cgroup/other")
    attacker.write_file("/sys/fs/cgroup/other/cgroup.procs", str(pid).encode())


def old_cgroup(attacker: Attacker, pid: int) -> None:
    attacker.mkdir("/old")
    attacker.mount("none", "/old", "cgroup", 0, "none,name=old")
    attacker.mkdir("/old/cell")
    attacker.write_file("/old/cell/tasks", str(pid).encode())


def hold_pipe(attacker: Attacker, pid: int) -> None:
    attacker.open(f"/proc/{pid}/fd/0", O_RDONLY)


def borrow_descriptor(attacker: Attacker, pid: int) -> None:
    with attacker.pidfd_open(pid) as pidfd:
        attacker.pidfd_getfd(pidfd.fd, 0)


def affinity(attacker: Attacker, pid: int) -> None:
    attacker.sched_setaffinity(pid, {0})  # the only one: that it was asked for is seen


def trace(attacker: Attacker, pid: int) -> None:
    attacker.ptrace(PTRACE_SEIZE, pid)


def watch_events(attacker: Attacker, pid: int) -> None:
    PerfEvent(attacker, pid)


def fail_calls(attacker: Attacker, pid: int) -> None:
    attacker.write_file(f"/proc/{pid}/make-it-fail", b"1")


def fill_dumps(attacker: Attacker, pid: int) -> None:
    attacker.write_file(f"/proc/{pid}/coredump_filter", b"0x7f")


def move_memory(attacker: Attacker, pid: int) -> None:
    attacker.mkdir("/old")
    attacker.mount("none", "/old", "cgroup", 0, "cpuset")
    attacker.mkdir("/old/cell")
    attacker.write_file("/old/cell/cpuset.cpus", b"0")
    attacker.write_file("/old/cell/cpuset.mems", b"1")
    attacker.write_file("/old/cell/tasks", str(pid).encode())


def stay_away(_attacker: Attacker, _handler: Handler) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "violation"),
    [
        (limit, Violation.LIMITS),
        (policy, Violation.POLICY),
        (nice, Violation.POLICY),
        (io_priority, Violation.POLICY),
        (slack, Violation.POLICY),
        (affinity, Violation.POLICY),
        (oom_score, Violation.OOM_SCORE),
        (cgroup, Violation.CGROUP),
        (old_cgroup, Violation.CGROUP),
        (hold_pipe, Violation.PIPES),
        (borrow_descriptor, Violation.PIPES),
        (trace, Violation.TRACED),
        (watch_events, Violation.PERF),
        (fail_calls, Violation.FAULTS),
        (fill_dumps, Violation.DUMP),
        (move_memory, Violation.POLICY | Violation.CGROUP),
    ],
)
def test_a_change_is_seen_and_nothing_else(
    witness: Witness, attacker: Attacker, failures: Failures, change: Change, violation: Violation
) -> None:
    right = witness.read().count.right
    quiet = witness.wait(lambda t: t.count.right > right + 3, seconds=60, what="request")
    assert not quiet.violations
    change(attacker, quiet.pid)
    found = witness.wait(lambda t: bool(t.violations), seconds=60, what="violation")
    assert found.violations == violation
    assert (found.count.wrong, failures.others(found)) == (0, 0)


def test_a_secret_that_changed_is_seen(cells: Cells) -> None:
    """No reply says it, but each has to know it."""

    def forget(attacker: Attacker, handler: Handler) -> None:
        attacker.process_vm_writev(handler.pid, handler.symbol("secret"), bytes(32))

    outcome = cells.run(forget, call="process_vm_writev")
    assert (outcome.verdict, outcome.wrongs) == (Verdict.TAMPERED, ("wrong reply",))


def test_code_that_changed_is_seen_in_the_aftermath(cells: Cells) -> None:
    """One byte of the handler's text that never runs, so that no reply goes wrong."""

    def patch(attacker: Attacker, handler: Handler) -> None:
        with attacker.open(f"/proc/{handler.pid}/mem", 2) as mem:
            mem.pwrite(b"\xcc", handler.symbol("main"))

    outcome = cells.run(patch)
    assert (str(outcome.verdict), outcome.detail) == ("tampered", "image")


def test_what_was_wrong_with_a_handler_that_answers_no_more_is_seen(cells: Cells) -> None:
    """It is ended, and nobody can examine it any more, before the next request."""

    def stop_then_trace(attacker: Attacker, handler: Handler) -> None:
        pid = handler.pid
        attacker.kill(pid, SIGSTOP)
        time.sleep(0.1)  # a request is under way now
        attacker.ptrace(PTRACE_SEIZE, pid)

    outcome = cells.run(stop_then_trace, call=None)
    assert outcome.verdict is Verdict.TAMPERED
    assert outcome.detail.startswith("traced")


def test_who_takes_the_secret_and_leaves_was_seen(cells: Cells, tmp_path: Path) -> None:
    """An impostor that is never asked anything else, started by way of binfmt_misc."""
    compile_program(IMPOSTOR, tmp_path / "impostor", f"-I{ANSWER.parent}")

    def put_in_place(attacker: Attacker, handler: Handler) -> None:
        entry = "".join(f"\\x{byte:02x}" for byte in handler.symbol("_start").to_bytes(8, "little"))
        forged = (tmp_path / "impostor").read_bytes()
        attacker.write_file("/impostor", forged, mode=0o755)
        attacker.mount("none", "/proc/sys/fs/binfmt_misc", "binfmt_misc")
        rule = f":cell:M:{ELF_ENTRY}:{entry}::/impostor:"
        attacker.write_file("/proc/sys/fs/binfmt_misc/register", rule.encode())

    outcome = cells.run(put_in_place, reach="bprm_change_interp", target="start")
    assert outcome.verdict is Verdict.TAMPERED
    assert "wrong reply" not in outcome.wrongs
    assert {"foreign exe", "image"} <= set(outcome.wrongs)


def test_a_witness_whose_priority_was_taken_says_nothing(cells: Cells) -> None:
    def starve(attacker: Attacker, handler: Handler) -> None:
        for pid in filter(str.isdecimal, attacker.listdir("/proc")):
            if attacker.read_file(f"/proc/{pid}/comm") == b"umd_witness\n":
                attacker.sched_setscheduler(int(pid), SCHED_BATCH, 0)
        handler.wait_for_request()

    outcome = cells.run(starve, reach=None, effect=Effect.NONE)
    assert (outcome.verdict, outcome.detail) == (
        Verdict.ERROR,
        "the witness's own priority was taken away",
    )


def test_a_way_out_takes_the_handler_that_has_one(cells: Cells) -> None:
    """Root has the honest handler loaded, which tries nothing and so never gets away."""

    def keep_honest(attacker: Attacker, handler: Handler) -> None:
        honest = attacker.read_file(f"/lib/modules/{handler.loader}.ko")
        attacker.write_file("/lib/modules/umd_witness_backdoor.ko", honest)
        handler.break_out(WayOut.OPENAT)

    outcome = cells.run(keep_honest, effect=Effect.ESCAPE, inside=True, reach=None, call=None)
    assert (outcome.verdict, outcome.detail) == (
        Verdict.ERROR,
        "the handler was never asked to try",
    )


def test_a_way_out_that_does_nothing_is_none(cells: Cells) -> None:
    outcome = cells.run(
        lambda _, handler: handler.break_out(NO_WAY),
        effect=Effect.ESCAPE,
        inside=True,
        reach=None,
        call=None,
    )
    assert (outcome.verdict, outcome.detail) == (
        Verdict.ERROR,
        "the handler came to no harm by what it was asked to try",
    )


def test_a_restart_is_held_against_the_first_handler(cells: Cells) -> None:
    """What the next start inherits is a change as well."""

    def poison(attacker: Attacker, _: Handler) -> None:
        limits = struct.pack("<QQ", 1 << 20, 1 << 20)
        for pid in attacker.read_file("/proc/2/task/2/children").split():
            name = attacker.read_file(f"/proc/{pid.decode()}/comm")
            if name.startswith(b"kworker/u"):
                attacker.syscall("prlimit64", int(pid), RLIMIT_NPROC, limits, 0)

    outcome = cells.run(poison, reach=None, call=None)
    assert "limits" in outcome.detail


def test_hooks_are_named_as_they_were_called(cells: Cells) -> None:
    def touch(attacker: Attacker, handler: Handler) -> None:
        attacker.process_vm_readv(handler.pid, handler.symbol("reply"), 8)
        attacker.syscall("getpriority", 0, handler.pid)

    outcome = cells.run(touch)
    assert PTRACE_CHECK in outcome.hooks
    assert all(name.startswith("security_") for name in outcome.hooks)


def test_who_stays_away_meets_no_hook(cells: Cells) -> None:
    outcome = cells.run(stay_away)
    assert outcome.hooks == ()


def test_a_function_that_is_not_called_on_the_handler_counts_elsewhere(
    lab: Lab, witness: Witness, attacker: Attacker
) -> None:
    right = witness.read().count.right
    pid = witness.wait(lambda t: t.count.right > right, seconds=60, what="request").pid
    function = lab.image.symbol(KILL) - lab.image.symbol(TALLY)
    witness.watch([function], call=NUMBERS["tgkill"])
    other = attacker.fork()
    for _ in range(3):
        attacker.kill(other, 0)
    attacker.kill(pid, 0)
    seen = witness.read().named[0]
    # ftrace's place in it, which is not its first byte.
    name = lab.image.symbol_at(lab.image.symbol(TALLY) + seen.function)
    assert (name, seen.on_handler, seen.elsewhere) == (KILL, 1, 3)
    assert (seen.on_handler_in_call, seen.elsewhere_in_call) == (0, 0), "these were kill(2)"


def test_root_cannot_switch_the_watching_off(attacker: Attacker) -> None:
    with pytest.raises(OSError) as refused:
        attacker.write_file("/proc/sys/kernel/ftrace_enabled", b"0")
    assert refused.value.errno == EBUSY


@pytest.mark.parametrize("declared", ["reach", "no_target_at"])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("umd_witness_tally", "the function umd_witness_tally cannot be watched in this kernel"),
        ("security_umd_kill", "the function security_umd_kill is not in this kernel"),
    ],
    ids=["data", "unknown"],
)
def test_a_function_that_cannot_be_watched_is_that_cells_error(
    cells: Cells, declared: str, name: str, reason: str
) -> None:
    outcome = cells.run(stay_away, **{declared: name})
    assert (outcome.verdict, outcome.detail) == (Verdict.ERROR, reason)
    honest = cells.run(stay_away, effect=Effect.NONE, reach=None, from_host=True)
    assert honest.verdict is Verdict.HELD
