# SPDX-License-Identifier: GPL-2.0-only
"""The CI pipelines for users: the commands of their jobs, run unchanged above a scripted lab."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from command_line import command
from pipelines import SYSTEMS, pipeline, run_pipeline

from harness.host.paths import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

SELECT = "isolated-ptrace_seize or isolated-proc_mem_write"
LOST = "{('isolated', 'proc_mem_write'): outcome(Verdict.TAMPERED, 'chain')}"
ENVIRONMENT = {"SELECT": SELECT, "PYTHONPATH": str(CHECKOUT)}


def install(where: Path, script: str = "{}") -> None:
    """Put a command above a scripted lab where the jobs look for it, and `./run` beside it."""
    words = shlex.join(command([], script))
    (where / ".venv/bin").mkdir(parents=True, exist_ok=True)
    for path, text in {
        ".venv/bin/umd-harness": f'exec {words} "$@"\n',
        "run": '[ "$1" = scenarios ] && shift && exec .venv/bin/umd-harness run "$@"\n',
    }.items():
        (where / path).write_text(f"#!/bin/sh\n{text}")
        (where / path).chmod(0o755)


def verdicts(run: Path) -> dict[tuple[str, str], str]:
    lines = map(json.loads, (run / "results.jsonl").read_text().splitlines())
    return {(line["variant"], line["scenario"]): line["verdict"] for line in lines}


def test_the_commands_gate_a_series(tmp_path: Path) -> None:
    install(tmp_path)
    status, said = run_pipeline("gitlab", tmp_path, ENVIRONMENT)
    assert status == 0, said
    assert not (tmp_path / "summary.md").exists(), "there was nothing to compare with"
    assert len(list((tmp_path / "results").iterdir())) == 2, "each shard has an attack"
    before = verdicts(tmp_path / "merged")
    assert len(before) == 8, "two attacks and two references on two variants"

    # A change that isolates no more. The commands of the other system take `target` from the cache.
    install(tmp_path, LOST)
    status, said = run_pipeline("github", tmp_path, ENVIRONMENT)
    assert status == 1, said
    assert '<details class="group worse" open>' in (tmp_path / "report.html").read_text()
    summary = (tmp_path / "summary.md").read_text()
    assert "| **worse**: integrity | `6.12 isolated proc_mem_write` | `held" in summary
    assert dict(verdicts(tmp_path / "merged").items() - before.items()) == {
        ("isolated", "proc_mem_write"): "tampered"
    }
    assert (tmp_path / "step-summary.md").read_text().endswith(summary)


def test_both_systems_judge_alike() -> None:
    one, other = (
        [line.strip() for line in SYSTEMS[system]("results").splitlines() if line.strip()]
        for system in ("gitlab", "github")
    )
    assert [line.removesuffix(' >>"$GITHUB_STEP_SUMMARY"') for line in other] == one


def test_a_part_that_could_not_run_fails_its_job(tmp_path: Path) -> None:
    install(tmp_path)
    status, said = run_pipeline("gitlab", tmp_path, {**ENVIRONMENT, "SELECT": "nothnig"})
    assert status == 1
    assert "no cell matches -k 'nothnig'" in said


def test_what_is_kept_is_what_is_compared() -> None:
    jobs = pipeline("gitlab-ci.yml")
    results = jobs["results"]
    assert {"report.html", "merged/", "summary.md"} == set(results["artifacts"]["paths"])
    assert jobs["scenarios"]["artifacts"]["paths"] == ["results/2*"]
    assert {jobs[job]["artifacts"]["when"] for job in ("scenarios", "results")} == {"always"}
    assert results["cache"][0]["paths"] == ["target/"]
    assert [rule["variables"]["KEEP"] for rule in jobs[".harness"]["rules"]] == [
        "pull",
        "pull-push",
    ]
    jobs = pipeline("github-actions.yml")["jobs"]
    uses = {
        step["uses"].partition("@")[0]: step for step in jobs["results"]["steps"] if "uses" in step
    }
    upload, save = uses["actions/upload-artifact"], uses["actions/cache/save"]
    assert upload["with"]["path"].split() == ["report.html", "merged/", "summary.md"]
    assert (save["with"]["path"], save["if"]) == ("target", "github.event_name == 'push'")
    assert save["with"]["key"].startswith("umd-harness-results-${{ github.ref_name }}-")
    restore = uses["actions/cache/restore"]["with"]["restore-keys"]
    assert restore == "umd-harness-results-${{ github.base_ref || github.ref_name }}-"
    [shards] = [step for step in jobs["scenarios"]["steps"] if "name" in step.get("with", {})]
    assert uses["actions/download-artifact"]["with"]["pattern"] == "shard-*"
    assert shards["with"]["name"].startswith("shard-")
    assert shards["with"]["path"] == "results/2*"
