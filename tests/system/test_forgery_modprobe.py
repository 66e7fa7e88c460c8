# SPDX-License-Identifier: GPL-2.0-only
"""Attacks that replace /sbin/modprobe, with which the aftermath reloads the loader."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cells import Cells, cells, touch

from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.attacker import Attacker
    from harness.witness.handler import Handler

    Attack = Callable[[Attacker, Handler], None]

__all__ = ["cells"]

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)


def modprobe(script: bytes) -> Attack:
    """Put `script` in modprobe's place, or what was there for an empty one."""

    def attack(attacker: Attacker, handler: Handler) -> None:
        touch(attacker, handler)
        forged = script and b"#!/bin/busybox sh\n" + script
        program = forged or attacker.read_file("/sbin/modprobe")
        attacker.unlink("/sbin/modprobe")
        attacker.write_file("/sbin/modprobe", program, mode=0o755)

    return attack


SLOW = b"""
[ "$1" = -r ] && exec /bin/busybox rmmod "$2"
/bin/busybox sleep 10
for name; do :; done
exec /bin/busybox insmod /lib/modules/$name.ko
"""

UNLOADS_ONLY = b'/bin/busybox test "$1" = -r && exec /bin/busybox rmmod "$2"\n'

KILLS_INSTEAD = b"""
for process in /proc/[0-9]*; do
    /bin/busybox grep -q umd_witness_umh $process/comm && kill -9 ${process#/proc/}
done
"""


def test_a_modprobe_that_does_nothing_is_no_reload(cells: Cells) -> None:
    outcome = cells.run(modprobe(b"exit 0\n"))
    assert outcome.verdict is Verdict.ERROR
    assert "phase 3 of the aftermath did not take place" in outcome.detail
    assert cells.run(modprobe(b"")).verdict is Verdict.HELD


def test_a_modprobe_that_loads_nothing_is_a_disruption(cells: Cells) -> None:
    outcome = cells.run(modprobe(UNLOADS_ONLY))
    assert outcome.verdict is Verdict.DISRUPTED, outcome.detail
    assert "ENOPROTOOPT" in outcome.detail


def test_a_modprobe_that_kills_instead_is_no_reload(cells: Cells) -> None:
    """A start that the attacker caused must not pass for the start after a reload."""
    outcome = cells.run(modprobe(KILLS_INSTEAD))
    assert outcome.verdict in (Verdict.ERROR, Verdict.DISRUPTED), outcome.detail


def test_a_modprobe_that_is_slow_is_a_disruption(cells: Cells) -> None:
    """The load outlasts the deadline of requests (2 s). A busy host explains no failed request."""
    outcome = cells.run(modprobe(SLOW))
    assert outcome.verdict is Verdict.DISRUPTED, outcome.detail
