# SPDX-License-Identifier: GPL-2.0-only
"""Files that the kernel refuses are told apart from those whose handler is late."""

from __future__ import annotations

from errno import EINVAL, ETIMEDOUT
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from harness.attacker import GuestError
from harness.lab import parser_clock
from harness.lab.parser_clock import ParserClock
from harness.vm.cpu_use import CpuUse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.vm.machine import Machine

FILES = [b"one", b"refused", b"late", b"two"]


class Clock(ParserClock):
    """The handler is late for one file, so many times."""

    def __init__(self, late: int) -> None:
        self.machine = cast("Machine", SimpleNamespace(pid=1))
        self.given: list[list[bytes]] = []
        self._late = late

    def _give(self, files: Sequence[bytes], count: int) -> tuple[int, ...]:
        assert count == 1
        self.given.append([*files])
        is_late = len(self.given) <= self._late
        errnos = {b"refused": EINVAL, b"late": ETIMEDOUT if is_late else 0}
        return tuple(errnos.get(file, 0) for file in files)


def starve(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Have QEMU wait for a CPU for so long between any two looks."""
    waited = [0.0]

    def use(_pid: int) -> CpuUse:
        waited[0] += seconds
        return CpuUse(waited=waited[0])

    monkeypatch.setattr(parser_clock, "cpu_use", use)


def test_a_file_that_a_busy_host_made_late_is_given_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    starve(monkeypatch, 0.5)
    clock = Clock(late=2)
    assert clock.accepted(FILES) == [b"one", b"late", b"two"]
    assert clock.given == [FILES, [b"late"], [b"late"]]


@pytest.mark.parametrize(("late", "seconds", "times"), [(1, 0.1, 1), (100, 0.5, 20)])
def test_a_file_that_is_late_is_not_refused(
    monkeypatch: pytest.MonkeyPatch, late: int, seconds: float, times: int
) -> None:
    """The host was not busy, or the handler is late each time."""
    starve(monkeypatch, seconds)
    clock = Clock(late=late)
    with pytest.raises(GuestError) as error:
        clock.accepted(FILES)
    assert error.value.errno == ETIMEDOUT
    assert len(clock.given) == times
