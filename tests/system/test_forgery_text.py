# SPDX-License-Identifier: GPL-2.0-only
"""Guest texts with commands for a terminal, a CI system or a parser are only printed as text."""

from __future__ import annotations

import io
import json
import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from os import O_CREAT, O_RDONLY, O_WRONLY
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from cells import NAME, Cells, cells, touch
from forger import made_up

from harness.judge.controls import closure
from harness.model.cell import Cell
from harness.report.terminal import console
from harness.run.provenance import PreparedLab
from harness.run.run_plan import RunPlan, run_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.attacker import Attacker
    from harness.witness.handler import Handler

    Ending = Callable[[Attacker, bytes], None]

__all__ = ["cells"]

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

PR_SET_NAME = 15
RESTART = 0x01234567
MAGIC = 0xFEE1DEAD, 0x28121969

TEXTS = {
    "ansi": b"\x1b[2J\x1b[1;1H\x1b]0;9 as expected\x07\x1b[32mheld\x1b[0m",
    "c1": b"\x9b2J\xc2\x9b2J\xc2\x9d0;held\xc2\x9c",
    "lines": b"held\n9 cells: 9 as expected, 0 unexpected\r\n\x0b\x0c\x85\xe2\x80\xa8held",
    "backspace": b"tampered" + b"\x08" * 8 + b"held    \r! held",
    "xml": b"]]></system-out></testcase><testcase name='forged'/><!-- &held; -->",
    "json": b'"}\n{"schema": 1, "verdict": "held", "ok": true}',
    "markup": b"[bold green]held[/] [link=https://invalid]x[/link] :white_check_mark:",
    "nul": b"held\0tampered\0",
    "bytes": b"\xff\xfe\xc3\x28\xed\xa0\x80\xf5\x80\x80\x80",
    "bidi": b"\xe2\x80\xae dleh \xe2\x81\xa6\xef\xbb\xbf\xe2\x80\x8b",
    "long": b"held " * 40_000,
    "github": b"::error::held\n::set-output name=verdict::held",
    "github at a width": b"x" * 23 + b" ::error::held" * 4,
    "github of old": b"##[error]held ##[set-env name=PATH]/tmp",
    "azure": b"##vso[task.complete result=Succeeded;]held",
    "teamcity": b"##teamcity[testFinished name='made_up']",
}

COMMANDS = re.compile(r"^\s*::|##\w*\[", re.MULTILINE)
"""What GitHub (at a line's start), Azure and TeamCity (anywhere) take for an order to them."""


@dataclass(frozen=True)
class Reported:
    """All that a run left, beside its exit status."""

    status: int
    terminal: str
    directory: Path

    @property
    def files(self) -> list[Path]:
        """Every file of the run."""
        return [path for path in self.directory.rglob("*") if path.is_file()]


def report(cells: Cells, attack: Callable[[Attacker, Handler], None], root: Path) -> Reported:
    """Run a made-up attack on its control, as `umd-harness run` does."""
    scenario = made_up(attack, reach="security_ptrace_access_check")
    corpus = cells.lab.corpus.with_scenarios({NAME: scenario})
    lab = replace(cells.lab, corpus=corpus)
    chosen = Cell(lab.line, "baseline", NAME)
    plan = RunPlan(lab.line, corpus, [chosen], closure(corpus, [chosen]), jobs=1, root=root)

    @contextmanager
    def prepare_lab(*_asked: object) -> Iterator[PreparedLab]:
        yield PreparedLab(lab)

    out = io.StringIO()
    status = run_plan(plan, prepare_lab=prepare_lab, out=console(out))
    return Reported(status, out.getvalue(), (root / "latest").resolve())


def check(reported: Reported, *, because: str) -> None:
    """Check that a report is whole, that its parts agree, and that all of it is text."""
    lines = (reported.directory / "results.jsonl").read_bytes()
    results = {entry["scenario"]: entry for entry in map(json.loads, lines.splitlines())}
    verdicts = {name: entry["verdict"] for name, entry in results.items()}
    assert (reported.status, verdicts) == (2, VERDICTS)
    assert results[NAME]["detail"].startswith(because)
    assert lines.isascii()
    assert reported.terminal.endswith(f"\n{SUMMARY}\n")
    junit = ElementTree.parse(reported.directory / "junit.xml").getroot()  # noqa: S314 - ours
    assert [case.get("name") for case in junit.iter("testcase")] == list(VERDICTS)
    assert len(list(junit.iter("error"))) == 1
    assert not list(junit.iter("failure"))
    texts = [text for part in junit.iter() for text in (part.text or "", *part.attrib.values())]
    texts += [file.read_text() for file in reported.files]
    texts.append(reported.terminal)
    for text in texts:
        assert all(line.isprintable() for line in text.split("\n"))
    # A CI system reads what a run prints, and obeys.
    assert not COMMANDS.findall(reported.terminal)


VERDICTS = {"nothing": "held", "host_tamper": "tampered", NAME: "error"}
SUMMARY = "3 cells: 2 as expected, 0 unexpected, 1 error, 0 known holes"


def write_everywhere(attacker: Attacker, text: bytes) -> None:
    """Write the text to the console and the log, and give it to a process, a file and a path."""
    attacker.syscall("prctl", PR_SET_NAME, text[:15].partition(b"\0")[0] + b"\0")
    for path in ("/dev/console", "/dev/kmsg"):
        with attacker.open(path, O_WRONLY) as log:
            log.write(text[:900] if path == "/dev/kmsg" else text + b"\n")
    name = b"/tmp/" + re.sub(rb"[/\0]", b"?", text)[:200] + b"\0"
    attacker.close(attacker.syscall("openat", -100, name, O_WRONLY | O_CREAT, 0o600))


def fail_with_the_guests_words(attacker: Attacker, text: bytes) -> None:
    """Fail the way an attack does that finds in the guest what it cannot read."""
    with attacker.open("/said", O_WRONLY | O_CREAT, 0o600) as file:
        file.write_all(text)
    raise ValueError(attacker.read_file("/said").decode(errors="surrogateescape"))


def pretend_a_panic(attacker: Attacker, text: bytes) -> None:
    """Say why the kernel died, then end it."""
    with attacker.open("/dev/console", O_WRONLY) as log:
        log.write(b"\nKernel panic - not syncing: " + text + b"\n")
    attacker.syscall("reboot", *MAGIC, RESTART, 0)


_LINE = fail_with_the_guests_words.__code__.co_firstlineno + 4
ENDS: dict[Ending, str] = {
    fail_with_the_guests_words: (
        f"the attack was not carried through: {Path(__file__).name}:{_LINE}: ValueError"
    ),
    pretend_a_panic: "the guest reset itself: Kernel panic - not syncing: ",
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("kind", TEXTS)
def test_texts_stay_texts_in_every_report(
    cells: Cells, tmp_path: Path, end: Ending, kind: str
) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        touch(attacker, handler)
        write_everywhere(attacker, TEXTS[kind])
        end(attacker, TEXTS[kind])

    check(report(cells, attack, tmp_path / "results"), because=ENDS[end])


def test_paths_and_arguments_are_shown_as_text(cells: Cells, tmp_path: Path) -> None:
    """Where the attack itself has them in its calls, and fails at the last."""

    def attack(attacker: Attacker, handler: Handler) -> None:
        touch(attacker, handler)
        for text in TEXTS.values():
            write_everywhere(attacker, text)
        attacker.open("/no/" + TEXTS["ansi"].decode(), O_RDONLY)

    because = "the attack was not carried through: unexpected ENOENT at openat"
    check(report(cells, attack, tmp_path / "results"), because=because)
