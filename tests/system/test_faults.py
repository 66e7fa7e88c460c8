# SPDX-License-Identifier: GPL-2.0-only
"""Machines that panic, hang, flood or die in mid-cell: an `error` that says why, nothing left."""

from __future__ import annotations

import os
import re
import signal
import time
from os import O_WRONLY
from typing import TYPE_CHECKING

import pytest
from cells import Cells, cells, touch

from harness.model.attempt_end import End
from harness.model.verdict import Axes, Effect, Verdict
from harness.scenarios.signals import kill_family
from harness.vm.console import CAP

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

__all__ = ["cells"]

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

TRIES = 20
SOON = 600
"""Seconds in which a fault ends a cell, also on a busy host. Each wait has a shorter deadline."""
HANG = b"\xfa\xeb\xfe"
"""The instructions `cli; jmp .`, which the host writes because no process in the guest can."""
HEART = "the guest's heart has stopped|the tally is never consistent"
"""Of a kernel that stands still, also in the middle of a write to the tally."""
UD2 = b"\x0f\x0b"


def patch(handler: Handler, function: str, code: bytes) -> None:
    """Overwrite the beginning of a function of the guest's kernel, from outside."""
    with handler._machine.paused():
        handler._machine.write(handler._image.physical(function), code)


def test_a_guest_that_panics(cells: Cells) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        touch(attacker, handler)
        attacker.write_file("/proc/sysrq-trigger", b"c")

    outcome = cells.run(attack)
    assert outcome.verdict is Verdict.ERROR
    assert outcome.detail == "the guest reset itself: Kernel panic - not syncing: " + (
        "sysrq triggered crash"
    )
    assert "Kernel panic" in outcome.console
    assert outcome.attempt[-1]["lost"]
    assert not cells.left()


def test_an_attack_that_is_to_end_the_machine(cells: Cells) -> None:
    """QEMU reports the end, and only after the attack had begun."""

    def attack(attacker: Attacker, handler: Handler) -> None:  # noqa: ARG001
        attacker.write_file("/proc/sysrq-trigger", b"b")

    outcome = cells.run(attack, effect=Effect.AVAILABILITY, ends_machine=True)
    assert (outcome.verdict, outcome.axes) == (Verdict.DISRUPTED, Axes(availability=True))
    assert outcome.detail == "the guest reset itself"


def test_a_machine_that_the_host_ends_is_none_that_its_attack_ended(cells: Cells) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        os.kill(handler._machine.pid, signal.SIGKILL)
        attacker.getpid()

    outcome = cells.run(attack, effect=Effect.AVAILABILITY, ends_machine=True)
    assert outcome.verdict is Verdict.ERROR
    assert outcome.detail == "QEMU was killed by SIGKILL"


def test_a_machine_that_does_not_end_is_judged_like_any(cells: Cells) -> None:
    outcome = cells.run(touch, effect=Effect.AVAILABILITY, ends_machine=True)
    assert outcome.verdict is Verdict.HELD


def test_a_guest_that_oopses(cells: Cells) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        touch(attacker, handler)
        patch(handler, "__x64_sys_getppid", UD2)
        child = attacker.spawn("/bin/busybox", "sh", "-c", "exit 7")
        assert attacker.waitpid(child)[1] != 7 << 8

    outcome = cells.run(attack)
    assert outcome.verdict is Verdict.ERROR
    assert "the kernel complained of itself: taint 0x80" in outcome.detail
    assert not cells.left()


@pytest.mark.parametrize(
    ("function", "said"),
    [
        # in the agent's call, before the aftermath, and in the middle of it
        ("__x64_sys_getpgrp", "the agent gave no answer before its deadline"),
        ("heartbeat", HEART),
        ("umd_mgmt_unload", HEART),
    ],
)
def test_a_guest_that_hangs(cells: Cells, function: str, said: str) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        touch(attacker, handler)
        patch(handler, function, HANG)
        if function.startswith("__x64_sys_"):
            attacker.syscall("getpgrp")

    start = time.monotonic()
    outcome = cells.run(attack)
    assert (outcome.verdict, outcome.attempt_end.end) == (Verdict.ERROR, End.LOST)
    assert re.search(said, outcome.detail), outcome.detail
    assert time.monotonic() - start < SOON
    assert not cells.left()


def test_missing_replies_under_a_beating_heart_are_a_disruption(cells: Cells) -> None:
    """The twin of a guest that hangs."""
    outcome = cells.run(kill_family, reach="security_task_kill")
    assert outcome.verdict is Verdict.DISRUPTED


def test_a_guest_that_ends_itself(cells: Cells) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        touch(attacker, handler)
        attacker.write_file("/proc/sysrq-trigger", b"b")

    outcome = cells.run(attack)
    assert (outcome.verdict, outcome.detail) == (Verdict.ERROR, "the guest reset itself")
    assert not cells.left()


def test_a_guest_that_floods_its_console(cells: Cells) -> None:
    """By its own agent, and by a process that goes on through the aftermath."""

    def attack(attacker: Attacker, handler: Handler) -> None:
        touch(attacker, handler)
        with attacker.open("/dev/ttyS0", O_WRONLY) as console:
            for _ in range(24):
                console.write(b"\x1b[31mflood " * (CAP // 120))
        attacker.spawn("/bin/busybox", "sh", "-c", "while :; do echo forged held; done >/dev/ttyS0")

    outcome = cells.run(attack)
    assert outcome.verdict is Verdict.HELD, outcome.detail
    assert "bytes dropped]" in outcome.console
    assert "\x1b" not in outcome.console
    assert len(outcome.console) < 5 * CAP
    assert not cells.left()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGRTMIN + 3])
def test_a_qemu_that_is_killed_in_mid_cell(cells: Cells, number: int) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        touch(attacker, handler)
        os.kill(handler._machine.pid, number)

    outcome = cells.run(attack)
    assert outcome.verdict is Verdict.ERROR
    assert outcome.detail.startswith("QEMU was killed by")
    assert [call["call"] for call in outcome.attempt] == ["openat", "close"]
    assert not cells.left()


def test_a_qemu_that_hangs(cells: Cells) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        touch(attacker, handler)
        os.kill(handler._machine.pid, signal.SIGSTOP)

    start = time.monotonic()
    outcome = cells.run(attack)
    assert outcome.verdict is Verdict.ERROR
    assert "no answer within" in outcome.detail
    assert time.monotonic() - start < SOON
    assert not cells.left()


@pytest.mark.parametrize("stall", [0, 1.2])
def test_a_machine_that_stood_still_was_disrupted_by_nobody(cells: Cells, stall: float) -> None:
    """A host that has no time for QEMU makes replies late; the clock of the guest goes on.

    A request waits between the two signals to the handler. If the busy host makes this time longer
    by more than 0.7 s, or no request came between the signals, the run shows nothing.
    """
    waits = []

    def attack(attacker: Attacker, handler: Handler) -> None:
        touch(attacker, handler)
        pid = handler.pid
        # A request is under way while QEMU stands still; by itself this stop would be no matter.
        start = time.monotonic()
        attacker.kill(pid, signal.SIGSTOP)
        time.sleep(0.1)
        os.kill(handler._machine.pid, signal.SIGSTOP)
        time.sleep(stall)
        os.kill(handler._machine.pid, signal.SIGCONT)
        attacker.kill(pid, signal.SIGCONT)
        waits.append(time.monotonic() - start)

    for _ in range(TRIES):
        outcome = cells.run(attack)
        if waits[-1] < stall + 0.7 and (outcome.verdict is Verdict.ERROR) is bool(stall):
            break
    else:
        pytest.fail(f"the host was too busy each time: {waits}")
    if stall:
        assert outcome.verdict is Verdict.ERROR, outcome.detail
        assert "the machine stood still for 1." in outcome.detail
        assert "slowed to 1." in outcome.detail
    else:
        assert outcome.verdict is Verdict.HELD, outcome.detail
