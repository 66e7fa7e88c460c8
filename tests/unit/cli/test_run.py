# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness run`: what its options make of the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.cli.main import main
from harness.report.run_report import Extent

if TYPE_CHECKING:
    from harness.run.run_plan import RunPlan


@pytest.mark.parametrize(
    ("option", "extent"),
    [
        ((), Extent.FITTING),
        (("--matrix",), Extent.MATRIX),
        (("--only-problems",), Extent.PROBLEMS),
    ],
)
def test_the_options_choose_what_is_printed(
    option: tuple[str, ...], extent: Extent, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[RunPlan] = []

    def run_plan(plan: RunPlan, **_: object) -> int:
        plans.append(plan)
        return 0

    monkeypatch.setattr("harness.run.run_plan.run_plan", run_plan)
    assert main(["run", "-k", "proc_mem_write", *option]) == 0
    assert [plan.extent for plan in plans] == [extent]
