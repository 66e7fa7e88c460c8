# SPDX-License-Identifier: GPL-2.0-only
"""Whether a process has memory; a zombie has none on any kernel."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from local_agent import local_attacker

from harness.attacker import Attacker, GuestError
from harness.attacker.agent.errors import NoTarget
from harness.attacker.tools.memory import expect_memory

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def attacker() -> Iterator[Attacker]:
    with local_attacker() as attacker:
        yield attacker


def test_a_process_has_memory(attacker: Attacker) -> None:
    expect_memory(attacker, attacker.getpid())


def test_one_that_has_ended_has_none(attacker: Attacker) -> None:
    with subprocess.Popen(["/bin/true"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises((NoTarget, GuestError), match=r"no memory|ESRCH at openat"):
            expect_memory(attacker, ended.pid)
