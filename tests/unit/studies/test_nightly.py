# SPDX-License-Identifier: GPL-2.0-only
"""The simulation of a night: by sizes that can be computed by hand, and as its page has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.host.paths import CHECKOUT
from harness.results.cell_seconds import seconds_of
from harness.studies import nightly
from harness.studies.nightly import ATTACKS, BOOT, KEEP, VARIANTS, run_seconds, side_by_side


def test_one_place_runs_one_cell_after_another() -> None:
    cells = ATTACKS * VARIANTS
    alone = run_seconds({"a": 2.0}, workers=1, places=1)
    assert alone == pytest.approx(cells * (2.0 + KEEP) + VARIANTS * BOOT + KEEP)
    booting = run_seconds({"a": 2.0}, workers=1, places=1, each=BOOT)
    assert booting == pytest.approx(cells * (2.0 + KEEP + BOOT) + KEEP)


def test_with_any_number_of_workers_the_client_and_one_boot_remain() -> None:
    many = run_seconds({"a": 2.0}, workers=ATTACKS * VARIANTS, places=1)
    assert many >= ATTACKS * VARIANTS * KEEP
    assert many >= BOOT + 2.0
    assert many < 2 * ATTACKS * VARIANTS * KEEP + BOOT + 2.0 + 1.0


def test_runs_side_by_side_take_the_longest_group() -> None:
    assert side_by_side([3.0, 2.0, 1.0], 1) == 6.0
    assert side_by_side([3.0, 2.0, 1.0], 2) == 3.0
    assert side_by_side([3.0, 2.0, 1.0], 9) == 3.0


def test_the_page_has_the_table_of_the_largest_kept_run() -> None:
    page = (CHECKOUT / "docs/explanation/nightly.md").read_text()
    found = nightly.rows(seconds_of(None, root=Path()))
    assert nightly.table(found) in page, nightly.table(found)
    (row,) = [one for one in found if one.workers == 25]
    saved = [row.saved] * (nightly.RUNS - nightly.BOOTING_RUNS)
    without = side_by_side(saved, nightly.WORKERS // row.workers)
    assert f"Without them the night takes {without / 60:.0f} minutes" in page
    boots = VARIANTS * BOOT / nightly.PLACES
    assert f"these {VARIANTS} boots take {boots:.0f} s on two processors" in page
    cells = ATTACKS * VARIANTS
    assert f"which takes {cells * KEEP:.0f} s for {cells} cells" in page
    assert f"{nightly.RUNS} runs, {nightly.RUNS * cells} cells" in page
