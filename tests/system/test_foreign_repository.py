# SPDX-License-Identifier: GPL-2.0-only
"""A user's repository: the installed wheel, the user's attacks, and the pytest plugin."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from wheel import SECONDS, build_wheel, call

from harness.host.paths import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

    from harness.lab.lab import Lab

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

EXAMPLE = CHECKOUT / "tests" / "example_repository"
OWN = {"my_read", "overwrite", "my_dev_mem"}
VARIANTS = {"baseline", "isolated", "kthread"}
BY_HAND = {"test_memory_is_closed_where_it_should_be", "test_the_witness_sees_what_a_program_does"}
REFERENCES = {"nothing", "host_tamper"}


class Repository:
    """A copy of the example, and a venv that knows of no checkout."""

    def __init__(self, place: Path) -> None:
        self.folder = shutil.copytree(
            EXAMPLE, place / "theirs", ignore=shutil.ignore_patterns("__pycache__", "results")
        )
        venv = place / "venv"
        call(sys.executable, "-m", "venv", venv)
        self.programs = venv / "bin"
        wheel = build_wheel(place)
        pip = (self.programs / "python", "-m", "pip", "install", "--quiet")
        call(*pip, "-c", CHECKOUT / "constraints.txt", wheel, "pytest", "pytest-xdist", "mypy")

    def run(self, program: str, *arguments: str) -> tuple[int, str]:
        """Run one of the venv's programs there; how it ended and what it said."""
        done = subprocess.run(
            [str(self.programs / program), *arguments],
            cwd=self.folder,
            env={name: value for name, value in os.environ.items() if "PYT" not in name},
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        return done.returncode, done.stdout + done.stderr

    def results(self) -> list[dict[str, Any]]:
        """The lines of its latest run."""
        text = (self.folder / "results" / "latest" / "results.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def theirs(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    assert lab.image.bzimage.is_file()
    return Repository(tmp_path_factory.mktemp("foreign"))


def ours() -> set[Path]:
    return set((CHECKOUT / "results").glob("*"))


def test_its_tests_run_and_its_results_stay_there(theirs: Repository) -> None:
    before = ours()
    status, said = theirs.run("pytest", "-n", "2")
    assert status == 0, said
    assert "10 passed, 1 xfailed" in said
    assert re.search(r"^XFAIL .*isolated-my_dev_mem\].* known hole, tampered: /dev/mem", said, re.M)
    assert ours() == before, "they went into our checkout"
    verdicts = {(line["scenario"], line["variant"]): line["verdict"] for line in theirs.results()}
    assert {name for name, _ in verdicts} == OWN | REFERENCES
    assert verdicts["overwrite", "baseline"] == "tampered"
    assert verdicts["my_read", "baseline"] == "leaked"
    for name in ("my_read", "overwrite"):
        assert verdicts[name, "isolated"] == verdicts[name, "kthread"] == "held"


def collected(theirs: Repository, *arguments: str) -> set[str]:
    """The names of the tests that a session collects, without their file."""
    status, said = theirs.run("pytest", "--collect-only", "-q", *arguments)
    assert status in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED), said
    return set(re.findall(r"^test_attacks\.py::(.*)", said, re.MULTILINE))


def cells(*variants: str) -> set[str]:
    return {f"test_scenario[6.12-{variant}-{name}]" for variant in variants for name in OWN}


def test_its_own_attacks_alone_are_collected(theirs: Repository) -> None:
    assert collected(theirs) == cells(*VARIANTS) | BY_HAND
    assert collected(theirs, "-k", "isolated") == cells("isolated")
    assert collected(theirs, "-k", "proc_mem_write") == set()


def test_the_commands_of_its_readme(theirs: Repository) -> None:
    """As they are written, but for the first, which runs everything: another test runs that."""
    text = (theirs.folder / "README.md").read_text()
    typed = [shlex.split(line, comments=True) for line in re.findall(r"^pytest.*", text, re.M)]
    assert typed[0] == ["pytest"]
    ended = []
    for words in typed[1:]:
        status, said = theirs.run(*words)
        assert status == 0, said
        (counts,) = re.findall(r"^=+ (.* passed.*) in [\d.]+s", said, re.M)
        ended.append(counts)
    assert ended == [
        "2 passed, 8 deselected, 1 xfailed",
        "2 passed, 9 deselected",
        "3 passed, 2 deselected",
    ]
    assert {line["variant"] for line in theirs.results()} == {"baseline", "kthread"}


def test_a_variant_that_is_none_is_one_line(theirs: Repository) -> None:
    (theirs.folder / "test_wrong.py").write_text(
        "def test_wrong(umd_guest):\n    umd_guest('isolatde')\n"
    )
    status, said = theirs.run("pytest", "-q", "test_wrong.py")
    assert (status, "Traceback" in said) == (1, False)
    assert "umd-harness: there is no variant 'isolatde'; did you mean isolated?" in said


def test_their_types_are_checked_against_ours(theirs: Repository) -> None:
    status, said = theirs.run("mypy", "--strict", "attacks.py", "reading.py", "test_attacks.py")
    assert status == 0, said


def test_the_command_takes_the_same_files(theirs: Repository) -> None:
    status, said = theirs.run(
        *("umd-harness", "run", "--variant", "isolated", "--scenario", "attacks.py")
    )
    assert status == 0, said
    assert {line["scenario"] for line in theirs.results()} == OWN | REFERENCES
