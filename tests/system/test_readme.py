# SPDX-License-Identifier: GPL-2.0-only
"""The README's scenario, pasted and run as a reader would."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from harness.paths import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path


def test_the_readme_example_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (CHECKOUT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 1
    (tmp_path / "mine.py").write_text(blocks[0])
    command = [sys.executable, "-m", "harness.cli", "run", "--results", str(tmp_path / "results")]
    command += ["--scenarios", str(tmp_path / "mine.py"), "-k", "process_vm_writev"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (tmp_path / "results" / "latest" / "results.jsonl").read_text().splitlines()
    verdicts = {
        result["variant"]: result["verdict"]
        for result in map(json.loads, lines)
        if result["scenario"] == "process_vm_writev"
    }
    assert verdicts == {"baseline": "tampered", "isolated": "held", "kthread": "held"}
