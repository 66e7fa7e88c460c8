# SPDX-License-Identifier: GPL-2.0-only
"""Attackers that write to the guest's memory past the kernel get no verdict in their favour.

Each program in `forging/` tampers with the handler and covers that up, without a module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cells import Cells, cells
from kernel_forgery import Forgery, run_forger

from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from kernel_forgery import Forger

__all__ = ["cells"]

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)


def dev_mem(forgery: Forgery) -> None:
    """Through /dev/mem: another secret, and then secret, chain and tally as they should be."""
    forgery.stop(forgery.start("memory"))


def dev_mem_mapped(forgery: Forgery) -> None:
    """The same, by /dev/mem mapped."""
    forgery.stop(forgery.start("memory", "-DMAPPED"))


def device_dma(forgery: Forgery) -> None:
    """The same, by a device that is told by port I/O where to write."""
    forgery.stop(forgery.start("memory", "-DDEVICE"))


FORGERS = (dev_mem, dev_mem_mapped, device_dma)


@pytest.mark.parametrize("forger", FORGERS, ids=lambda forger: forger.__name__)
def test_no_write_to_memory_forges_a_verdict(
    cells: Cells, tmp_path: Path, forger: Forger
) -> None:
    outcome, harmed = run_forger(cells, forger, tmp_path, "isolated")
    assert harmed, outcome.detail
    assert outcome.verdict in (Verdict.TAMPERED, Verdict.ERROR), outcome.detail
