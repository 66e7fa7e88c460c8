# SPDX-License-Identifier: GPL-2.0-only
"""The real series, searched for the commit that stops a real attack: kernels are built for it.

In an environment of its own, for it takes a quarter of an hour (`./run tests -e bisect`).
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE = 3 * 3600.0  # seconds; three kernels of a tree that may have to be built first
BEFORE = "mm: Treat the pages of user mode drivers"
AFTER = "usermode_driver: Keep the blob in memory"
FOUND = "exec: Keep settings for processes away from user mode drivers"
CELL = "isolated-binfmt_misc_hijack"


def bisect(where: Path, good: str, bad: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness.cli", "bisect", "-k", CELL]
    return subprocess.run(
        [*command, "--good", good, "--bad", bad],
        cwd=where,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


@pytest.mark.timeout(2 * DEADLINE)
def test_the_commit_that_stops_an_attack_is_found(tmp_path: Path) -> None:
    done = bisect(tmp_path, BEFORE, AFTER)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"makes the change: {FOUND}\n\n    {FOUND}\n" in done.stdout
    last = done.stdout.splitlines()[-1]
    assert last.startswith(f"6.12-{CELL}: tampered")
    assert "-> held" in last

    again = bisect(tmp_path, AFTER, BEFORE)
    assert again.returncode == 0
    assert "kernel:" not in again.stdout, "all was noted: nothing is built or run"
    assert again.stdout.splitlines()[-1] == last
