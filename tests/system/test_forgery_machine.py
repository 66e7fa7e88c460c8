# SPDX-License-Identifier: GPL-2.0-only
"""Attacks that end, starve or flood the machine get an error, or the true verdict."""

from __future__ import annotations

from functools import partialmethod
from typing import TYPE_CHECKING

import pytest
from cells import Cells, cells, overwrite, touch
from forger import hurry, sysrq, wait_for, write

from harness.model.attempt_end import End
from harness.model.verdict import Verdict
from harness.witness.reader import Witness

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.attacker import Attacker
    from harness.witness.handler import Handler

    Attack = Callable[[Attacker, Handler], None]
    Knob = Callable[[Attacker], None]

__all__ = ["cells"]

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

SCHED_FIFO = 1
REBOOT = 0xFEE1DEAD, 0x28121969
HALT, POWER_OFF = 0xCDEF0123, 0x4321FEDC


def crash(attacker: Attacker) -> None:
    """Have the kernel panic."""
    sysrq(attacker, "c")


def crash_and_hang(attacker: Attacker) -> None:
    """Have the kernel panic, and stand still instead of starting anew."""
    write(attacker, "/proc/sys/kernel/panic", "0")
    sysrq(attacker, "c")


def restart(attacker: Attacker) -> None:
    sysrq(attacker, "b")


def halt(attacker: Attacker) -> None:
    attacker.syscall("reboot", *REBOOT, HALT, 0)


def power_off(attacker: Attacker) -> None:
    attacker.syscall("reboot", *REBOOT, POWER_OFF, 0)


def kill_all(attacker: Attacker) -> None:
    """All but pid 1, the agent and the handler among them."""
    sysrq(attacker, "i")
    attacker.getpid()


def hog(attacker: Attacker) -> None:
    """Take the only CPU for good, ahead of the witness, without any throttling."""
    write(attacker, "/proc/sys/kernel/sched_rt_runtime_us", "-1")
    write(attacker, "/sys/kernel/debug/sched/fair_server/cpu0/runtime", "0")
    loop = attacker.spawn("/bin/busybox", "sh", "-c", "while :; do :; done")
    attacker.sched_setscheduler(loop, SCHED_FIFO, 99)
    attacker.getpid()


@pytest.mark.parametrize("act", [touch, overwrite])
@pytest.mark.parametrize(
    "end",
    [crash, crash_and_hang, restart, halt, power_off, kill_all, hog],
    ids=lambda e: e.__name__,
)
def test_a_machine_that_ends_or_starves_proves_nothing(
    cells: Cells, end: Knob, act: Attack
) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        act(attacker, handler)
        hurry(attacker)
        end(attacker)

    outcome = cells.run(attack)
    assert (outcome.verdict, outcome.attempt_end.end) == (Verdict.ERROR, End.LOST)
    assert not cells.left()


def test_a_hog_that_comes_later_is_a_disruption(cells: Cells) -> None:
    """It lets the attack be over, then keeps the aftermath from its end: no held comes of that."""
    patience = partialmethod(Witness.aftermath, seconds=2)
    cells.monkeypatch.setattr(Witness, "aftermath", patience)

    def attack(attacker: Attacker, handler: Handler) -> None:
        touch(attacker, handler)
        write(attacker, "/proc/sys/kernel/sched_rt_runtime_us", "-1")
        write(attacker, "/sys/kernel/debug/sched/fair_server/cpu0/runtime", "0")
        # It inherits the agent's priority, and gets the CPU when the agent waits.
        attacker.sched_setscheduler(0, SCHED_FIFO, 99)
        attacker.spawn("/bin/busybox", "sh", "-c", "sleep 0.03; while :; do :; done")

    outcome = cells.run(attack)
    assert outcome.verdict in (Verdict.DISRUPTED, Verdict.ERROR), outcome.detail


# What floods it


def bomb(attacker: Attacker) -> None:
    """Have processes fork for ever."""
    attacker.spawn("/bin/busybox", "sh", "-c", "f() { f | f & }; f")


def take_all_memory(attacker: Attacker) -> None:
    """Until the kernel kills somebody for it."""
    attacker.spawn("/bin/busybox", "sh", "-c", "tail /dev/zero; >/killed")
    wait_for(attacker, "/killed")


def fill_the_disk(attacker: Attacker) -> None:
    """The blob's filesystem has no room either: all are made of memory."""
    attacker.spawn("/bin/busybox", "sh", "-c", "cat /dev/zero >/full; >/killed")
    wait_for(attacker, "/killed")


def flood_the_log(attacker: Attacker) -> None:
    """Leave nothing in it but lies."""
    attacker.spawn("/bin/busybox", "sh", "-c", "while :; do echo '<0>held' >/dev/kmsg; done")


FLOODS = (bomb, take_all_memory, fill_the_disk, flood_the_log)


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_makes_no_tampering_up(cells: Cells, flood: Knob) -> None:
    """It may well disrupt, which is the truth then."""

    def attack(attacker: Attacker, handler: Handler) -> None:
        touch(attacker, handler)
        flood(attacker)

    outcome = cells.run(attack)
    assert outcome.verdict in (Verdict.HELD, Verdict.DISRUPTED, Verdict.ERROR), outcome.detail
    assert not outcome.axes.integrity, outcome.detail


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_washes_no_tampering_away(cells: Cells, flood: Knob) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        overwrite(attacker, handler)
        flood(attacker)

    outcome = cells.run(attack)
    assert outcome.verdict in (Verdict.TAMPERED, Verdict.ERROR), outcome.detail
