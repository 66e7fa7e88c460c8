# SPDX-License-Identifier: GPL-2.0-only
"""The README's scenario, copied and run, and the facts that the run keeps."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

from run_schemas import validate_run

from harness.host.paths import CHECKOUT
from harness.results.run_directory import RunDirectory
from harness.scenarios import Effect

if TYPE_CHECKING:
    from pathlib import Path

LINE = "6.12"
"""The line that a run takes without `--line`."""
VARIANTS = ("baseline", "isolated")
"""Where it must win, and where it must not: what the other variants give, the corpus shows."""


def example(readme: str) -> tuple[str, list[str]]:
    """The one scenario that a reader is to paste, and the arguments with which to run it."""
    blocks = re.findall(r"^```py(?:thon)?\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    scenarios = [block for block in blocks if re.search(r"^@scenario\(", block, re.MULTILINE)]
    assert len(scenarios) == 1
    commands = re.findall(r"run scenarios ([^`\n#]*--scenario [^`\n#]*)", readme)
    assert len(commands) == 1
    return scenarios[0], shlex.split(commands[0])


def test_the_readme_example_runs(tmp_path: Path) -> None:
    block, arguments = example((CHECKOUT / "README.md").read_text())
    (tmp_path / arguments[arguments.index("--scenario") + 1]).write_text(block)
    command = [sys.executable, "-m", "harness.cli", "run", *arguments]
    command += [word for variant in VARIANTS for word in ("--variant", variant)]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=1500, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    run = tmp_path / "results" / "latest"
    lines = (run / "results.jsonl").read_text().splitlines()
    assert validate_run(run) == len(lines) > 0
    name = re.search(r"^def (\w+)\(attacker, handler", block, re.MULTILINE)
    effect = re.search(r"\beffect=Effect\.(\w+)", block)
    assert name and effect
    verdicts = {
        result["variant"]: result["verdict"]
        for result in map(json.loads, lines)
        if result["scenario"] == name[1]
    }
    assert verdicts == {"baseline": Effect[effect[1]].wins, "isolated": "held"}
    facts = RunDirectory(run).header()
    assert facts.arguments[0] == "run"
    assert {"--scenario", "proc_mem_read", *VARIANTS} <= set(facts.arguments)
    assert facts.release.startswith(f"{LINE}.")
    assert facts.qemu.startswith("QEMU emulator version ")
    assert facts.compiler.startswith("gcc ")
    assert all((facts.host, facts.host_system, facts.host_cpu, facts.source, facts.config))
    assert facts.host_cores and facts.host_memory_mib
