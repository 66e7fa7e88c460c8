# SPDX-License-Identifier: GPL-2.0-only
"""Starts the command line as a process, on top of a scripted lab."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).parent
DEADLINE = 300.0  # seconds; a busy host takes a minute for the whole corpus

signal.signal(signal.SIGINT, signal.default_int_handler)  # which the background ignores

DRIVER = """
import sys
sys.path.insert(0, {here!r})
from pathlib import Path
import small_corpus
if not {whole}:
    small_corpus.ship()
from harness.cli.main import main
from harness.run import provenance
from harness.host.errors import UserError
from harness.model.verdict import Verdict
from scripted_lab import ScriptedLab, prepare_lab, outcome
lab = ScriptedLab({script}, takes={takes}, log=Path("ran"), machines={machines},
                  free={free},
                  isolated_us={isolated_us})
if {machines}:
    from harness.run import pool
    pool._ABANDONED = 200.0  # to clean up may take a busy host longer than a user waits
provenance.planned_image = lambda line, choice: "0123abcd"
provenance.prepare_lab = prepare_lab(lab, says=("kernel: 1/2 objects",), takes={opening})
sys.exit(main())
"""


def command(
    arguments: Sequence[str],
    script: str = "{}",
    *,
    takes: float = 0.0,
    opening: float = 0.0,
    machines: bool = False,
    free: int | None = None,
    whole: bool = False,
    isolated_us: int = 205,
) -> list[str]:
    """The command on top of a scripted lab, with the small corpus unless `whole`."""
    driver = DRIVER.format(
        here=str(HERE),
        script=script,
        takes=takes,
        opening=opening,
        machines=machines,
        free=free,
        whole=whole,
        isolated_us=isolated_us,
    )
    return [sys.executable, "-c", driver, *arguments]


def umd_harness(
    where: Path,
    *arguments: str,
    script: str = "{}",
    whole: bool = False,
    isolated_us: int = 205,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(arguments, script, whole=whole, isolated_us=isolated_us),
        cwd=where,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def latest(where: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    run = where / "results/latest"
    lines = (run / "results.jsonl").read_text().splitlines()
    return json.loads((run / "run.json").read_text()), [json.loads(line) for line in lines]


def start(
    where: Path, *, takes: float = 0.0, machines: bool = False, free: int | None = None
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(["run", "--jobs", "2"], takes=takes, machines=machines, free=free),
        cwd=where,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Read the standard output up to the end of `text`, and return what was read.

    Reads no byte more: `Popen.communicate` would lose what is read ahead. Kills the process after
    DEADLINE, so that a text that never comes fails the test.
    """
    assert process.stdout is not None
    out = b""
    killer = threading.Timer(DEADLINE, process.kill)
    killer.start()
    try:
        while not out.endswith(text.encode()):
            byte = os.read(process.stdout.fileno(), 1)
            assert byte, f"the process ended without {text!r}: {out.decode()}"
            out += byte
    finally:
        killer.cancel()
    return out.decode()


def wait_for_cells(where: Path, number: int) -> None:
    deadline = time.monotonic() + DEADLINE
    ran = where / "ran"
    while not ran.exists() or len(ran.read_text().split()) < number:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def header_of(where: Path) -> dict[str, Any]:
    header = json.loads((where / "results/latest/run.json").read_text())
    assert isinstance(header, dict)
    return header
