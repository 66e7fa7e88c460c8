# SPDX-License-Identifier: GPL-2.0-only
"""Threads found by their names, while some of them end."""

from __future__ import annotations

import os
import subprocess
from errno import EPERM, ESRCH
from typing import TYPE_CHECKING

import pytest
from local_agent import local_attacker

from harness.attacker.agent.errors import GuestError
from harness.attacker.tools.kernel_threads import each_within_reach, threads_named

if TYPE_CHECKING:
    from collections.abc import Callable


def test_those_are_found_whose_names_begin_so() -> None:
    with subprocess.Popen(["sleep", "60"]) as process, local_attacker() as attacker:
        try:
            found = list(threads_named(attacker, b"slee"))
            assert process.pid in found
            assert os.getpid() not in found
        finally:
            process.kill()


def test_one_that_ends_while_the_names_are_read_is_looked_past() -> None:
    with subprocess.Popen(["sleep", "60"]) as process, local_attacker() as attacker:
        try:
            found = threads_named(attacker, b"")
            first = next(found)  # they are all listed by now
            assert first < process.pid
        finally:
            process.kill()
        process.wait()
        rest = list(found)
    assert process.pid not in rest
    assert os.getpid() in rest


def refuse(*pids: int, errno: int = EPERM) -> Callable[[int], int]:
    def act(pid: int) -> int:
        if pid in pids:
            raise GuestError(errno, "sched_setscheduler")
        return pid

    return act


def test_those_that_refuse_are_looked_past() -> None:
    assert each_within_reach([2, 3, 4], refuse(2, 4)) == [3]
    assert each_within_reach([], refuse(2)) == []


def test_that_all_refuse_is_a_refusal() -> None:
    with pytest.raises(GuestError, match="EPERM at sched_setscheduler"):
        each_within_reach([2, 3], refuse(2, 3))


def test_another_errno_than_eperm_is_not_looked_past() -> None:
    with pytest.raises(GuestError, match="ESRCH"):
        each_within_reach([2, 3], refuse(2, errno=ESRCH))
