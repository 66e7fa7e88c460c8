# SPDX-License-Identifier: GPL-2.0-only
"""The CI pipelines for users: their commands, run unchanged in a clean copy of the checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from harness.host.paths import CHECKOUT, cache_dir

if TYPE_CHECKING:
    from pathlib import Path

SELECT = "isolated-proc_mem_write"
DEADLINE = 1500.0  # seconds; the first run makes a venv
VARIANTS = "harness/model/variants.py"


def pipeline(name: str) -> dict[str, Any]:
    """The content of a pipeline's file."""
    value = yaml.safe_load((CHECKOUT / "ci" / name).read_text())
    assert isinstance(value, dict)
    return value


def gitlab() -> str:
    """The job's script, as a runner joins it."""
    return "\n".join(pipeline("gitlab-ci.yml")["scenarios"]["script"])


def github() -> str:
    """The job's one step that is a script."""
    steps = pipeline("github-actions.yml")["jobs"]["scenarios"]["steps"]
    (script,) = (step["run"] for step in steps if "run" in step)
    assert isinstance(script, str)
    return script


def copy_checkout(target: Path) -> None:
    """Copy what git knows, or would know, of the checkout: a clone with what is not committed."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=CHECKOUT, capture_output=True, check=True, text=True)
    for name in filter(None, done.stdout.split("\0")):
        if (CHECKOUT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, target / name)


def run(script: str, where: Path) -> tuple[int, str]:
    """Run it as both systems do; its exit status and output."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "CCACHE_DIR") if name in os.environ}
    environment = {
        **kept,
        "SELECT": SELECT,
        "XDG_CACHE_HOME": str(cache_dir().parent),
        "GITHUB_STEP_SUMMARY": str(where / "step-summary.md"),
    }
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=where,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("script", [gitlab, github], ids=["gitlab", "github"])
def test_the_commands_gate_a_series(script: Any, tmp_path: Path) -> None:
    copy_checkout(tmp_path)
    status, said = run(script(), tmp_path)
    assert status == 0, said
    assert not (tmp_path / "summary.md").exists(), "there was nothing to compare with"

    shutil.rmtree(tmp_path / "results")  # a new checkout has none; `target` is from the cache
    status, said = run(script(), tmp_path)
    assert status == 0, said
    assert "0 worse, 0 better" in (tmp_path / "summary.md").read_text().splitlines()[0]

    # A change that isolates no more.
    policies = (tmp_path / VARIANTS).read_text()
    broken = re.sub(r'("isolated",\s+"umd_isolation)=on"', r'\1=off"', policies)
    assert broken != policies
    (tmp_path / VARIANTS).write_text(broken)
    shutil.rmtree(tmp_path / "results")
    status, said = run(script(), tmp_path)
    assert status == 1, said
    assert '<details class="group worse" open>' in (tmp_path / "report.html").read_text()
    summary = (tmp_path / "summary.md").read_text()
    assert "| **worse**: integrity | `6.12 isolated proc_mem_write` | `held" in summary
    if script is github:
        assert (tmp_path / "step-summary.md").read_text().endswith(summary)


def test_what_is_kept_is_what_is_compared() -> None:
    job = pipeline("gitlab-ci.yml")["scenarios"]
    assert {"report.html", "results/", "summary.md"} == set(job["artifacts"]["paths"])
    assert job["artifacts"]["when"] == "always"
    assert job["cache"][0]["paths"] == ["target/"]
    assert [rule["variables"]["KEEP"] for rule in job["rules"]] == ["pull", "pull-push"]
    steps = pipeline("github-actions.yml")["jobs"]["scenarios"]["steps"]
    uses = {step["uses"].partition("@")[0]: step for step in steps if "uses" in step}
    upload, save = uses["actions/upload-artifact"], uses["actions/cache/save"]
    assert upload["with"]["path"].split() == ["report.html", "results/", "summary.md"]
    assert (save["with"]["path"], save["if"]) == ("target", "github.event_name == 'push'")
    assert save["with"]["key"].startswith("umd-harness-results-${{ github.ref_name }}-")
    restore = uses["actions/cache/restore"]["with"]["restore-keys"]
    assert restore == "umd-harness-results-${{ github.base_ref || github.ref_name }}-"
