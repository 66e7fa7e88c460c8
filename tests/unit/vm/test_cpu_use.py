# SPDX-License-Identifier: GPL-2.0-only
"""The CPU time of a process, from the host's scheduler."""

from __future__ import annotations

import os
import time

from harness.vm.cpu_use import CpuUse, cpu_use


def test_work_is_counted() -> None:
    before, start = cpu_use(os.getpid()), time.process_time()
    while time.process_time() - start < 0.1:
        pass
    assert 0.09 < cpu_use(os.getpid()).since(before).worked < 5


def test_a_process_that_is_gone_has_no_use() -> None:
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    assert cpu_use(child) == CpuUse()
