# SPDX-License-Identifier: GPL-2.0-only
"""The CI pipeline for GitLab, run unchanged in a clean copy of the checkout, on real machines.

The commands of both systems run above a scripted lab, too (tests/unit/test_ci_pipelines.py).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from pipelines import run_pipeline

from harness.host.paths import CHECKOUT, cache_dir

if TYPE_CHECKING:
    from pathlib import Path

SELECT = "isolated-proc_mem_write or isolated-ptrace_seize"
VARIANTS = "harness/model/variants.py"


def copy_checkout(target: Path) -> None:
    """Copy what git knows, or would know, of the checkout: a clone with what is not committed."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=CHECKOUT, capture_output=True, check=True, text=True)
    for name in filter(None, done.stdout.split("\0")):
        if (CHECKOUT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, target / name)


@pytest.mark.timeout(3600)
def test_the_commands_gate_a_series(tmp_path: Path) -> None:
    copy_checkout(tmp_path)
    environment = {"SELECT": SELECT, "XDG_CACHE_HOME": str(cache_dir().parent)}
    status, said = run_pipeline("gitlab", tmp_path, environment)
    assert status == 0, said
    plain = [".venv/bin/umd-harness", "run", "-k", SELECT]
    assert subprocess.run(plain, cwd=tmp_path, check=False).returncode == 0
    compare = [".venv/bin/umd-harness", "compare", "merged", "latest", "--fail-on", "changed"]
    assert subprocess.run(compare, cwd=tmp_path, check=False).returncode == 0, "cell by cell"

    # A change that isolates no more.
    policies = (tmp_path / VARIANTS).read_text()
    broken = re.sub(r'("isolated",\s+"umd_isolation)=on"', r'\1=off"', policies)
    assert broken != policies
    (tmp_path / VARIANTS).write_text(broken)
    status, said = run_pipeline("gitlab", tmp_path, environment)
    assert status == 1, said
    summary = (tmp_path / "summary.md").read_text()
    assert "| **worse**: integrity | `6.12 isolated proc_mem_write` | `held" in summary
