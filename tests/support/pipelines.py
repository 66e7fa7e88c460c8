# SPDX-License-Identifier: GPL-2.0-only
"""The CI pipelines for users: the commands of their jobs, as both systems run them."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import yaml

from harness.host.paths import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

JOBS = ("kernels", "scenarios", "results")
SHARDS = 2
DEADLINE = 1500.0  # seconds; the first job makes a venv


def pipeline(name: str) -> dict[str, Any]:
    """The content of a pipeline's file."""
    value = yaml.safe_load((CHECKOUT / "ci" / name).read_text())
    assert isinstance(value, dict)
    return value


def gitlab(job: str) -> str:
    """The job's script, as a runner joins it."""
    return "\n".join(pipeline("gitlab-ci.yml")[job]["script"])


def github(job: str) -> str:
    """The job's one step that is a script."""
    steps = pipeline("github-actions.yml")["jobs"][job]["steps"]
    (script,) = (step["run"] for step in steps if "run" in step)
    assert isinstance(script, str)
    return script


SYSTEMS = {"gitlab": gitlab, "github": github}


def run_pipeline(system: str, where: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """Run all jobs, each with the folders that it gets; the last status, and all output.

    A job has no results but the artifacts of the jobs before; `target` is from the cache.
    """
    told, artifacts = "", where / "artifacts"
    shutil.rmtree(artifacts, ignore_errors=True)
    artifacts.mkdir()
    shutil.rmtree(where / "merged", ignore_errors=True)
    status, said = _run(SYSTEMS[system]("kernels"), where, environment)
    for number in range(1, SHARDS + 1):
        if status:
            return status, told + said
        told += said
        shutil.rmtree(where / "results", ignore_errors=True)
        numbers = {
            "CI_NODE_INDEX": str(number),
            "CI_NODE_TOTAL": str(SHARDS),
            "SHARD": f"{number}/{SHARDS}",
        }
        status, said = _run(SYSTEMS[system]("scenarios"), where, {**environment, **numbers})
        for run in where.glob("results/2*"):
            shutil.copytree(run, artifacts / run.name)
    shutil.rmtree(where / "results", ignore_errors=True)
    shutil.copytree(artifacts, where / "results")
    told += said
    if status:
        return status, told
    status, said = _run(SYSTEMS[system]("results"), where, environment)
    return status, told + said


def _run(script: str, where: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "CCACHE_DIR") if name in os.environ}
    summary = {"GITHUB_STEP_SUMMARY": str(where / "step-summary.md")}
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=where,
        env={**kept, **summary, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    return done.returncode, done.stdout
