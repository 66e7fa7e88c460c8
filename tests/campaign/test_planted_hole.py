# SPDX-License-Identifier: GPL-2.0-only
"""A campaign finds a hole that is planted, within ten minutes; its program makes the loss again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from planted_hole import attack_again, search

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.timeout(1800)
def test_a_planted_hole_is_found_within_ten_minutes(tmp_path: Path) -> None:
    found = search(tmp_path / "campaigns", "--for", "10min")
    assert found
    assert attack_again(found[0], tmp_path / "runs") == 1
