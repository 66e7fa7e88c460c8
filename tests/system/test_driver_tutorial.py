# SPDX-License-Identifier: GPL-2.0-only
"""The tutorial of a parser as a driver: each of its commands prints what stands below it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from harness.host.paths import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

TUTORIAL = CHECKOUT / "docs" / "tutorials" / "own-driver.md"
STEP = re.compile(r"^```sh\n(.*?)^```(?:\n\n```text\n(.*?)^```)?", re.MULTILINE | re.DOTALL)
VARIES = re.compile(r"\b(?:\d{3,}|\d+(?= (?:executions|of|edges))|(?<=/proc/)\d+)\b|…")
"""In what a command prints: what another compiler, another run or another folder changes."""
FUZZED_SECONDS = "--seconds 60", "--seconds 2"
SECONDS = 500
"""A busy host makes the steps slow."""

pytestmark = pytest.mark.timeout(3600)  # the tree of the kernel may have to be built first


class Step(NamedTuple):
    """A block of commands, and what they print; empty if the page does not say."""

    commands: str
    output: str


def steps() -> list[Step]:
    """The steps that a reader makes, in their order."""
    return [Step(*groups) for groups in STEP.findall(TUTORIAL.read_text())]


def is_as_told(told: str, printed: str) -> bool:
    """Whether this was printed, but for what varies."""
    wanted, at = "", 0
    for found in VARIES.finditer(told):
        wanted += re.escape(told[at : found.start()]) + (".*" if found[0] == "…" else r"\d+")
        at = found.end()
    return re.fullmatch(wanted + re.escape(told[at:]), printed) is not None


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder in which the commands find what they name in a checkout."""
    (tmp_path / "docs").symlink_to(CHECKOUT / "docs")
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, words in {"python": "", "umd-harness": "-m harness.cli"}.items():
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n')
        (programs / name).chmod(0o755)
    return tmp_path


def test_each_command_prints_what_the_tutorial_says(checkout: Path) -> None:
    for step in steps():
        done = subprocess.run(
            ["bash", "-c", step.commands.replace(*FUZZED_SECONDS)],
            cwd=checkout,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert is_as_told(step.output, done.stdout), f"{step}\n{done.stdout}\n{done.stderr}"


def test_the_tutorial_says_what_matters() -> None:
    """The attack wins on one variant alone, and the fuzzer finds the bug."""
    output = "".join(step.output for step in steps())
    assert sum(bool(step.output) for step in steps()) == 6
    refused, accepted = "write error: Invalid argument\n", 'name ""\n'
    won, held = output.partition("baseline:\n")[2].split("isolated:\n")
    assert (won.count(refused), won.count(accepted)) == (1, 1)
    assert (held.count(refused), held.count(accepted)) == (2, 0)
    assert "no crash\n" in output
    assert "CRASH: " in output


@pytest.mark.parametrize(
    ("told", "printed", "same"),
    [
        ("eir: 1204 executions, at …/eir.c:24\n", "eir: 7 executions, at /a/eir.c:24\n", True),
        ("eir: 1204 executions, at …/eir.c:24\n", "eir: 1204 executions, at /a/eir.c:25\n", False),
        (" ea ff ff ff\n", " 00 00 00 00\n", False),
        ("open '/proc/98/mem'", "open '/proc/107/mem'", True),
        ('name "Lamp"\n', 'name ""\n', False),
        ('name "Lamp"\n', 'name "Lamp"\nname "Fan"\n', False),
    ],
)
def test_what_varies_is_let_through_and_nothing_else(told: str, printed: str, same: bool) -> None:
    assert is_as_told(told, printed) is same
