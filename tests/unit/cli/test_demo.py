# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness demo`: what it says before, what it runs, and what it explains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from scripted_lab import Script, ScriptedLab, expected_outcome, outcome, prepare_lab

from harness.cli.main import main
from harness.kernel.build.images import KernelImage
from harness.model.cell import Cell
from harness.model.verdict import Verdict
from harness.report.demo import NOT_AS_EXPECTED
from harness.run import run_plan as run_plan_module
from harness.scenarios.corpus import SHIPPED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.run.run_plan import RunPlan

    Demo = Callable[..., tuple[int, list[str]]]

NAMES = ("baseline", "isolated", "kthread")


@pytest.fixture
def demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Demo:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def run(script: Script, *, is_built: bool = True) -> tuple[int, list[str]]:
        image = KernelImage("6.12", "0123", tmp_path) if is_built else None
        monkeypatch.setattr("harness.kernel.build.build.image_key", lambda line: f"key of {line}")
        monkeypatch.setattr("harness.kernel.build.images.find_image", lambda *_, **__: image)
        lab = ScriptedLab(script, log=tmp_path / "ran")
        opener = prepare_lab(lab, says=("kernel: 1/2 objects",))
        monkeypatch.setattr("harness.run.provenance.prepare_lab", opener)
        status = main(["demo", "--jobs", "1"])
        return status, capsys.readouterr().out.splitlines()

    return run


def test_the_attack_runs_on_three_variants_and_five_lines_say_what_it_means(
    demo: Demo, tmp_path: Path
) -> None:
    status, said = demo({("baseline", "proc_mem_write"): outcome(Verdict.TAMPERED, "9 wrong")})
    assert status == 0
    assert sorted((tmp_path / "ran").read_text().split()) == sorted(
        f"6.12-{variant}-{scenario}"
        for variant in NAMES
        for scenario in ("nothing", "host_tamper", "proc_mem_write")
    )
    *_, counts, blank, baseline, isolated, kthread, so, why, after = said
    assert counts.startswith("9 cells: 9 as expected")
    assert blank == ""
    assert baseline.startswith("baseline has no isolation: ")
    assert baseline.endswith("(9 wrong).")
    assert isolated.startswith("isolated ")
    assert kthread.startswith("kthread ")
    assert so.startswith("So ")
    assert "held and tampered" in why
    assert after.startswith("Next: ")


def test_a_build_is_announced_with_its_time_before_it_starts(demo: Demo) -> None:
    _, said = demo({}, is_built=False)
    assert any("minutes on two cores" in line for line in said[: said.index("kernel: 1/2 objects")])
    _, said = demo({})
    assert not any("minutes" in line for line in said)


def test_verdicts_that_are_not_as_expected_are_not_explained(demo: Demo) -> None:
    held = expected_outcome(SHIPPED, Cell("6.12", "isolated", "proc_mem_write"))
    status, said = demo({("baseline", "proc_mem_write"): held})
    assert status == 2
    assert said[-1] == NOT_AS_EXPECTED
    status, said = demo({("isolated", "proc_mem_write"): outcome(Verdict.TAMPERED)})
    assert status == 1
    assert said[-1] == NOT_AS_EXPECTED


def test_another_run_at_the_same_time_is_not_explained(
    demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_plan = run_plan_module.run_plan

    def and_another(plan: RunPlan, **lab: Any) -> int:
        status = run_plan(plan, **lab)
        latest = tmp_path / "results/latest"
        latest.unlink()
        latest.symlink_to("another")
        return status

    monkeypatch.setattr(run_plan_module, "run_plan", and_another)
    status, said = demo({("baseline", "proc_mem_write"): outcome(Verdict.TAMPERED, "9 wrong")})
    assert status == 0
    assert any(line.endswith("(9 wrong).") for line in said)
