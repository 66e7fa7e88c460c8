# SPDX-License-Identifier: GPL-2.0-only
"""What root does without any harm to the handler gives no false verdict, and ends no run."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from cells import Cells, cells
from kernel_forgery import be_refused

from harness.attacker.tools.tracefs import define, switch_on
from harness.model.attempt_end import End
from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

__all__ = ["cells"]

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

PROBED = "vfs_fsync_range"
OPTIMIZED = b"[OPTIMIZED]"
SECONDS = 60.0


def optimized_kprobes(attacker: Attacker, handler: Handler) -> None:
    """Probe instructions inside of a function until the kernel makes jumps of the breakpoints."""
    be_refused(attacker, handler)
    for offset in range(5, 64):
        with suppress(OSError):  # no instruction starts there
            define(attacker, "kprobe", f"p:inside/at{offset} {PROBED}+{offset}")
            switch_on(attacker, f"inside/at{offset}")
    deadline = time.monotonic() + SECONDS
    while OPTIMIZED not in attacker.read_file("/sys/kernel/debug/kprobes/list"):
        assert time.monotonic() < deadline, "the kernel optimizes no kprobe"


def thread_beside_the_process(attacker: Attacker, handler: Handler) -> None:
    """Load the signed module of the other kind of handler. The witness refuses it."""
    be_refused(attacker, handler)
    module = attacker.read_file("/lib/modules/umd_witness_kthread.ko")
    with pytest.raises(OSError, match="EBUSY"):
        attacker.syscall("init_module", module, len(module), "")


def test_optimized_kprobes_are_no_change_of_the_kernel(cells: Cells) -> None:
    outcome = cells.run(optimized_kprobes, "isolated", seconds=2 * SECONDS)
    assert outcome.attempt_end.end is End.COMPLETED, outcome.attempt_end
    assert outcome.verdict is Verdict.HELD, outcome.detail


def test_a_handler_of_another_kind_is_refused(cells: Cells) -> None:
    outcome = cells.run(thread_beside_the_process, "isolated")
    assert outcome.attempt_end.end is End.COMPLETED, outcome.attempt_end
    assert outcome.verdict is Verdict.HELD, outcome.detail
