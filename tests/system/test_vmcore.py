# SPDX-License-Identifier: GPL-2.0-only
"""`run --keep vmcore`: the real drgn opens the dumps, and no outcome changes."""

from __future__ import annotations

import json
import re
import shlex
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cells import Cells, cells, touch

from harness.lab import vmcore
from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.lab.lab import Lab
    from harness.witness.handler import Handler

__all__ = ["cells"]

pytestmark = pytest.mark.timeout(1800)
SECONDS = 900.0

HARMLESS = """
from os import O_RDONLY

from harness.scenarios import Effect, scenario


@scenario(
    effect=Effect.INTEGRITY,
    surface="proc-mem-write",
    answers=("T1",),
    reach="security_ptrace_access_check",
)
def harmless(attacker, handler):
    \"\"\"Claim to tamper with the handler, and only look at it.\"\"\"
    attacker.open(f"/proc/{handler.pid}/exe", O_RDONLY).close()
"""

LOOK = """
import json
from drgn.helpers.linux.pid import find_task

tally = prog["umd_witness_tally"]
pid = tally.pid.value_()
print(json.dumps({
    "pid": pid,
    "comm": find_task(prog, pid).comm.string_().decode(),
    "init": prog["init_task"].comm.string_().decode(),
    "starts": tally.count.starts.value_(),
    "last": tally.phases[2].right.value_(),
}))
"""


def test_a_cell_that_is_not_as_expected_leaves_a_dump_for_drgn(lab: Lab, tmp_path: Path) -> None:
    assert lab.vmlinux("baseline").is_file()
    (tmp_path / "own.py").write_text(HARMLESS)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "harness.cli", "run", "--keep", "vmcore"),
            *("--scenario", "own.py", "--variant", "baseline"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    [line] = re.findall(r"^    (drgn .*)$", done.stdout, re.MULTILINE)
    [dump] = tmp_path.glob("results/2*/cells/*/vmcore")
    status = dump.stat()
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert status.st_blocks * 512 < status.st_size <= (256 << 20) + vmcore._MOST_NOTES

    look = tmp_path / "look.py"
    look.write_text(LOOK)
    drgn, *words = shlex.split(line)
    opened = subprocess.run(
        [Path(sys.executable).with_name(drgn), "-q", *words, str(look)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    found = json.loads(opened.stdout)
    after = json.loads((dump.parent / "witness.json").read_text())["after"]
    assert found == {
        "pid": after["pid"],
        "comm": "umd_witness_umh",
        "init": "swapper/0",
        "starts": after["count"]["starts"],
        "last": after["phases"][2]["right"],
    }


def test_a_machine_that_is_silent_leaves_a_dump(cells: Cells, tmp_path: Path) -> None:
    def fall_silent(attacker: Attacker, _: Handler) -> None:
        attacker.kill(attacker.getpid(), signal.SIGSTOP)

    cells.vmcore = dump = tmp_path / "cell" / "vmcore"
    outcome = cells.run(fall_silent)
    assert outcome.verdict is Verdict.ERROR
    assert not outcome.undumped
    assert dump.read_bytes()[:4] == b"\x7fELF"


def test_a_machine_that_is_gone_leaves_none(cells: Cells, tmp_path: Path) -> None:
    def end_it(attacker: Attacker, _: Handler) -> None:
        attacker.write_file("/proc/sysrq-trigger", b"b")

    cells.vmcore = tmp_path / "vmcore"
    outcome = cells.run(end_it)
    assert outcome.verdict is Verdict.ERROR
    assert "monitor" in outcome.undumped
    assert not list(tmp_path.iterdir())


def test_a_dump_that_has_no_room_costs_no_outcome(
    cells: Cells, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vmcore, "_SPARE", 1 << 60)
    cells.vmcore = tmp_path / "vmcore"
    outcome = cells.run(touch)
    assert outcome.verdict is Verdict.HELD
    assert re.match(r"it needs \d+ MiB, and \d+ are free", outcome.undumped)
    assert not list(tmp_path.iterdir())


def test_a_cell_that_is_as_expected_leaves_none(cells: Cells, tmp_path: Path) -> None:
    cells.vmcore = tmp_path / "vmcore"
    cells.vmcore.write_text("of an attack that was made again")
    outcome = cells.run(touch, "isolated")
    assert (outcome.verdict, outcome.undumped) == (Verdict.HELD, "")
    assert not list(tmp_path.iterdir())
