# SPDX-License-Identifier: GPL-2.0-only
"""What the witness and the host tell apart: escapes, abandoned handlers, files in use, stalls."""

from __future__ import annotations

import os
import struct
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGKILL
from typing import TYPE_CHECKING

import pytest
from cells import Cells, cells, touch
from guest_module import build_module

from harness.attacker.agent.syscalls import NUMBERS
from harness.attacker.tools.bpf import u32
from harness.guests.payloads import BPF_LOADER, compile_bpf
from harness.model.verdict import Verdict
from harness.scenarios import Effect
from harness.scenarios.corpus import SHIPPED
from harness.witness.evidence import X32_BIT
from harness.witness.handler import Handler, WayOut
from harness.witness.tally import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.attacker import Attacker
    from harness.lab.lab import Lab
    from harness.witness.reader import Witness

__all__ = ["cells"]

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

HERE = Path(__file__).parent
RLIMIT_NPROC = 6
SCHED_FIFO, BELOW_WITNESS = 1, 40
ROUNDS = 5
LOADING_NS = 1_000_000_000
"""By then the guest has loaded the iterator and read it to its end."""


def test_an_escape_counts_whatever_the_next_call_returns(cells: Cells) -> None:
    """This kernel has no x32 calls. Alone, such a call proves nothing."""

    def attack(_: Attacker, handler: Handler) -> None:
        handler.break_out(WayOut.OPENAT)
        handler.make_call(X32_BIT | NUMBERS["getpid"])

    outcome = cells.run(attack, effect=Effect.ESCAPE, inside=True, call=None, reach=None)
    assert (outcome.verdict, outcome.detail) == (
        Verdict.TAMPERED,
        "escaped, openat, x32 getpid returned",
    )


def test_an_abandoned_handler_is_watched_to_its_end(
    witness: Witness, attacker: Attacker, lab: Lab
) -> None:
    """SIGKILL does not end a handler in cgroup v1's freezer, so the kernel starts another."""
    old = witness.first_request()
    handler = Handler(SHIPPED.variants["baseline"], witness._machine, lab.image, witness)
    SHIPPED.scenarios["cgroup_v1_freezer"].attack(attacker, handler)
    served = witness.wait(
        lambda t: t.generation > old.generation and t.count.right > old.count.right + 3,
        seconds=60,
        what="reply of another handler",
    )
    assert served.pid != old.pid
    assert Violation.LIMITS not in served.violations
    attacker.syscall("prlimit64", old.pid, RLIMIT_NPROC, struct.pack("<QQ", 77, 77), 0)
    thaw(attacker, old.pid)
    ended = witness.wait(lambda t: Violation.LIMITS in t.violations, seconds=60, what="end")
    assert (ended.pid, ended.exits) == (served.pid, served.exits)


def thaw(attacker: Attacker, pid: int) -> None:
    """Let the tasks of a process's cgroup v1 run again."""
    mounts = attacker.read_file("/proc/mounts").decode().splitlines()
    (root,) = (words[1] for line in mounts if "freezer" in (words := line.split())[3])
    assert f"{pid}\n".encode() in attacker.read_file(f"{root}/cell/cgroup.procs")
    attacker.write_file(f"{root}/cell/freezer.state", b"THAWED")


def test_a_file_that_an_iterator_looks_at_has_no_other_holder(cells: Cells, tmp_path: Path) -> None:
    compile_bpf(HERE / "files_iterator.bpf.c", tmp_path / "iterator.bpf.o")
    program = (tmp_path / "iterator.bpf.o").read_bytes()

    def attack(attacker: Attacker, handler: Handler) -> None:
        touch(attacker, handler)
        attacker.write_file("/iterator.bpf.o", program, mode=0o600)
        constant = f"tgid={u32(handler.pid).hex()}"
        for _ in range(ROUNDS):
            pid = attacker.spawn(attacker.payload(BPF_LOADER), "/iterator.bpf.o", constant)
            handler.let_pass(LOADING_NS)
            attacker.kill(pid, SIGKILL)
            attacker.waitpid(pid)

    outcome = cells.run(attack, seconds=120.0)
    assert (outcome.verdict, outcome.wrongs) == (Verdict.HELD, ()), outcome.detail


def test_a_guest_that_turns_interrupts_off_stood_still_by_itself(
    cells: Cells, tmp_path: Path
) -> None:
    """QEMU gets a real-time priority, so that a busy host is no reason for the stall."""
    held_up = []

    def attack(attacker: Attacker, handler: Handler) -> None:
        touch(attacker, handler)
        module = build_module(
            HERE / "forging" / "interrupts_off.c", handler._image, tmp_path / "interrupts_off.ko"
        )
        attacker.sched_setscheduler(0, SCHED_FIFO, BELOW_WITNESS)
        with real_time(handler._machine.pid) as is_first:
            held_up.append(not is_first)
            handler.wait_for_request()  # the time before QEMU's priority counts no more
            attacker.syscall("init_module", module, len(module), "")
            handler.wait_for_request()

    outcome = cells.run(attack, whole_kernel=True)
    if held_up[-1] and outcome.verdict is Verdict.ERROR:
        assert "the machine stood still" in outcome.detail
    else:
        assert outcome.verdict is Verdict.DISRUPTED, outcome.detail
    assert "slowed to " in outcome.detail


@contextmanager
def real_time(pid: int) -> Iterator[bool]:
    """Give all threads of a process a real-time priority, if the host lets a user do that."""
    threads = [int(thread.name) for thread in Path(f"/proc/{pid}/task").iterdir()]
    is_first = False
    with suppress(PermissionError):
        for thread in threads:
            os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(1))
        is_first = True
    yield is_first
    if is_first:
        for thread in threads:
            os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))
