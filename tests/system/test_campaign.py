# SPDX-License-Identifier: GPL-2.0-only
"""One batch of a fixed seed finds a hole that is planted: the slice of `tox -e campaign` for CI."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from planted_hole import search

from harness.campaign.finding import Finding

if TYPE_CHECKING:
    from pathlib import Path

SEED = "a"
"""Its first four programs send the handler a signal, whatever else they do."""


def test_a_batch_finds_a_planted_hole(tmp_path: Path) -> None:
    (found,) = search(tmp_path, "--seed", SEED, "--batch", "4", "--batches", "1", "--jobs", "1")
    finding = msgspec.json.decode((found / "finding.json").read_bytes(), type=Finding)
    assert finding.lost == ("availability",)
    assert "security_task_kill" in finding.hooks
