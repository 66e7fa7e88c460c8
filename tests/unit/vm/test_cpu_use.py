# SPDX-License-Identifier: GPL-2.0-only
"""The CPU time of a process, from the host's scheduler."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from harness.vm.cpu_use import CpuUse, cpu_use, stolen


def test_work_is_counted() -> None:
    before, start = cpu_use(os.getpid()), time.process_time()
    while time.process_time() - start < 0.1:
        pass
    assert 0.09 < cpu_use(os.getpid()).since(before).worked < 5


def test_the_use_of_several_processes_is_added() -> None:
    alone = cpu_use(os.getpid())
    assert cpu_use(os.getpid(), os.getpid()).worked >= 2 * alone.worked > 0


def test_a_process_that_is_gone_has_no_use() -> None:
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    assert cpu_use(child) == CpuUse()


@pytest.mark.parametrize(
    ("stat", "ticks"), [("cpu  1 2 3 4 5 6 7 50 9 10\ncpu0 1 1\n", 50), ("cpu 1 2 3 4\n", 0)]
)
def test_time_that_the_host_itself_lost_is_waiting(stat: str, ticks: int) -> None:
    assert stolen(stat) == ticks / os.sysconf("SC_CLK_TCK")
    before = stolen(Path("/proc/stat").read_text())
    assert cpu_use(os.getpid()).waited >= before
