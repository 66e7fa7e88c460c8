# SPDX-License-Identifier: GPL-2.0-only
"""The attack of the tutorial, run as the tutorial says: it has the verdicts that stand there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from harness.host.paths import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

TUTORIAL = CHECKOUT / "docs" / "tutorials" / "first-attack.md"
ATTACK = CHECKOUT / "tests" / "example_repository" / "first_attack.py"
SECONDS = 1500


def test_the_attack_fares_as_the_tutorial_says(tmp_path: Path) -> None:
    text = TUTORIAL.read_text().replace("\\\n", "")
    told = dict(re.findall(r"^\| `([\w-]+)` \| `(\w+)` \|", text, re.MULTILINE))
    (arguments,) = re.findall(r"umd-harness (run --scenario first_attack\.py .*)", text)
    (tmp_path / ATTACK.name).write_bytes(ATTACK.read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", *arguments.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (tmp_path / "results" / "latest" / "results.jsonl").read_text().splitlines()
    found = {
        line["variant"]: line["verdict"]
        for line in map(json.loads, lines)
        if line["scenario"] == "first_attack"
    }
    assert found == told
