# SPDX-License-Identifier: GPL-2.0-only
"""Sessions of the plugin whose results are damaged, or that the disk does not take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.results.run_directory import RunDirectory

if TYPE_CHECKING:
    from plugin_session import Session

pytest_plugins = ["pytester", "plugin_session"]

DAMAGE = """
plain = lab.run
def run(cell, *, fresh=False):
    if cell.id == {cell!r}:
        with open(here / "results/latest" / {file!r}, {mode!r}) as file:
            file.write("{{damaged}}\\n")
    return plain(cell)
lab.run = run
"""
LONG = """
from dataclasses import replace
plain = lab.run
def run(cell, *, fresh=False):
    if cell.id == "6.12-isolated-ptrace_seize":
        # The kernel refuses as a full disk does; pytest's own output is far shorter than that.
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
        return replace(plain(cell), console="x" * 300_000)
    return plain(cell)
lab.run = run
"""


def add(session: Session, text: str) -> None:
    conftest = session.pytester.path / "conftest.py"
    conftest.write_text(conftest.read_text() + text)


def check_told(result: pytest.RunResult, said: str) -> None:
    """One line says what happened, and there is no traceback."""
    assert result.ret == 2
    stopped = [line for line in result.outlines if line.startswith("!") and said in line]
    assert len(stopped) == 1, result.stdout.str()
    printed = result.stdout.str() + result.stderr.str()
    assert "Traceback" not in printed
    assert "INTERNALERROR" not in printed


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_damaged_line_ends_the_session_and_loses_no_other(session: Session, workers: str) -> None:
    add(session, DAMAGE.format(cell="6.12-isolated-ptrace_seize", file="results.jsonl", mode="a"))
    result = session.run("-k", "scenario", "-n", workers)
    check_told(result, "results.jsonl is damaged in line ")
    content = (session.latest / "results.jsonl").read_text().splitlines()
    kept = [line for line in content if line != "{damaged}"]
    assert len(kept) == len(content) - 1 > 0
    result.stdout.fnmatch_lines(
        [
            "results: */results/2*",
            "lines of results.jsonl that cannot be read: *",
            f"{len(kept)} cells: {len(kept)} as expected, *",
        ]
    )
    header = session.header
    assert (header["counts"]["cells"], header["exit_status"]) == (len(kept), 2)


def test_damage_after_the_last_cell_is_told(session: Session) -> None:
    """No cell meets it. All tests have passed, and the session does not."""
    add(
        session,
        """
import pytest
@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish():
    with open(here / "results/latest/results.jsonl", "a") as file:
        file.write("{damaged}\\n")
""",
    )
    result = session.run("-k", "6.12-baseline-nothing")
    result.assert_outcomes(passed=1)
    assert result.ret == 2
    result.stdout.fnmatch_lines(["lines of results.jsonl that cannot be read: 3", "2 cells: *"])
    assert session.header["pytest_exit_status"] == 0


def test_a_damaged_header_is_told(session: Session) -> None:
    add(session, DAMAGE.format(cell="6.12-baseline-nothing", file="run.json", mode="w"))
    result = session.run("-k", "6.12-baseline-nothing")
    assert result.ret == 2
    result.stdout.fnmatch_lines(["run.json cannot be read: *", "*", "2 cells: 2 as expected, *"])
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_disk_that_fills_ends_the_session_and_loses_no_other_cell(
    session: Session, workers: str
) -> None:
    add(session, LONG)
    result = session.run("-k", "scenario", "-n", workers)
    check_told(result, "umd-harness: results cannot be written to ")
    result.stdout.fnmatch_lines(
        [
            "*/results/2*: File too large; the results written so far are kept; raise the limit of "
            "file sizes (ulimit -f)*"
        ]
    )
    run = RunDirectory(session.latest.resolve())
    lines = run.lines()
    assert lines
    assert all(line.ok for line in lines)
    assert all(run.outcome(line.cell) is not None for line in lines)
    assert "6.12-isolated-ptrace_seize" not in {line.cell.id for line in lines}
    assert session.header["counts"]["cells"] == len(lines)
    assert not (session.latest / ".locks").exists()
