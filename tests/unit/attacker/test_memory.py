# SPDX-License-Identifier: GPL-2.0-only
"""Whether a process has memory; a zombie has none on any kernel."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from local_agent import local_attacker

from harness.attacker import Attacker, GuestError
from harness.attacker.agent.errors import NoTarget
from harness.attacker.tools.memory import expect_memory
from harness.scenarios.look import proc_maps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.witness.handler import Handler


@pytest.fixture
def attacker() -> Iterator[Attacker]:
    with local_attacker() as attacker:
        yield attacker


def test_a_process_has_memory(attacker: Attacker) -> None:
    expect_memory(attacker, attacker.getpid())


def test_one_that_has_ended_has_none(attacker: Attacker) -> None:
    with (
        zombie() as pid,
        pytest.raises((NoTarget, GuestError), match=r"no memory|ESRCH at openat"),
    ):
        expect_memory(attacker, pid)
        attacker.open(f"/proc/{pid}/mem", os.O_RDWR)


def test_where_auxv_is_refused_the_attack_s_own_calls_decide(attacker: Attacker) -> None:
    with zombie() as pid:
        pass
    expect_memory(attacker, pid)
    assert attacker.attempt.calls[-1].errno == "ENOENT"


def test_areas_of_a_process_without_memory_are_no_target(attacker: Attacker) -> None:
    """Linux 6.12 opens maps and smaps without memory, and refuses auxv."""
    with zombie() as pid, pytest.raises(NoTarget, match="no memory"):
        proc_maps(attacker, cast("Handler", SimpleNamespace(pid=pid, symbol=lambda _: 0)))
    assert attacker.gained == []


@contextmanager
def zombie() -> Iterator[int]:
    """A process that has ended, and is waited for in the end."""
    with subprocess.Popen(["/bin/true"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        yield ended.pid
