# SPDX-License-Identifier: GPL-2.0-only
"""Requests are made again for a busy host alone, and not without end."""

from __future__ import annotations

import os
from errno import EIO, ETIMEDOUT
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import late_replies
import pytest
from late_replies import AT_MOST, Lates

from harness.attacker import GuestError
from harness.lab.parser_clock import STARVED_SECONDS
from harness.vm.cpu_use import CpuUse

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.vm.machine import Machine

MACHINE = cast("Machine", SimpleNamespace(pid=1))


@pytest.fixture
def starve(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Have QEMU wait for a CPU for so many seconds."""
    waited = [0.0]
    monkeypatch.setattr(late_replies, "cpu_use", lambda *_pids: CpuUse(waited=waited[0]))

    def wait(seconds: float) -> None:
        waited[0] += seconds

    return wait


def raised(errno: int) -> int:
    raise GuestError(errno, "write")


def returned(errno: int) -> int:
    return -errno


@pytest.mark.parametrize("late", [raised, returned])
def test_a_late_request_is_made_again(
    starve: Callable[[float], None], late: Callable[[int], int]
) -> None:
    asked: list[str] = []
    lates = Lates(MACHINE, again=lambda: asked.append("again"))

    def ask(reply: int) -> int:
        asked.append("ask")
        if len(asked) > 3:
            return reply
        starve(STARVED_SECONDS)
        return late(ETIMEDOUT)

    assert lates.in_time(ask, 7) == 7
    assert asked == ["ask", "again", "ask", "again", "ask"]
    assert lates.count == 2


@pytest.mark.parametrize(
    ("seconds", "errno"), [(STARVED_SECONDS / 2, ETIMEDOUT), (STARVED_SECONDS, EIO)]
)
def test_no_other_request_is_made_again(
    starve: Callable[[float], None], seconds: float, errno: int
) -> None:
    """The host was not busy, or the request failed for another reason."""
    asked = []

    def ask(fail: Callable[[int], int]) -> int:
        asked.append(fail)
        starve(seconds)
        return fail(errno)

    with pytest.raises(GuestError):
        Lates(MACHINE).in_time(ask, raised)
    assert Lates(MACHINE).in_time(ask, returned) == -errno
    assert asked == [raised, returned]


def test_a_reply_that_is_always_late_is_a_defect(starve: Callable[[float], None]) -> None:
    """The bound is that of all requests together."""
    lates = Lates(MACHINE)
    lates.add(AT_MOST - 1)
    asked = []

    def ask() -> int:
        asked.append(1)
        starve(2.0)
        return raised(ETIMEDOUT)

    with pytest.raises(AssertionError, match=f"{AT_MOST + 1} requests were late"):
        lates.in_time(ask)
    assert len(asked) == 2


def test_how_long_a_late_request_starves_depends_on_the_test(
    starve: Callable[[float], None],
) -> None:
    """A handler that is throttled waits for many times as long as the host kept it waiting."""
    asked: list[int] = []

    def ask() -> int:
        asked.append(1)
        starve(STARVED_SECONDS / 20)
        return -ETIMEDOUT if len(asked) == 1 else 7

    assert Lates(MACHINE, starved=STARVED_SECONDS / 20).in_time(ask) == 7
    asked.clear()
    assert Lates(MACHINE).in_time(ask) == -ETIMEDOUT


def test_the_waits_of_a_test_that_drives_the_handler_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: set[tuple[int, ...]] = set()

    def use(*pids: int) -> CpuUse:
        seen.add(pids)
        return CpuUse()

    monkeypatch.setattr(late_replies, "cpu_use", use)
    assert Lates(MACHINE, is_driven=True).in_time(returned, ETIMEDOUT) == -ETIMEDOUT
    assert seen == {(MACHINE.pid, os.getpid())}
