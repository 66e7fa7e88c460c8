# SPDX-License-Identifier: GPL-2.0-only
"""The cells of a run as KTAP (Documentation/dev-tools/ktap.rst), for kunit.py and kselftest.

A kernel line with a variant is a test, and its cells are the subtests.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING, TextIO

from harness.model.verdict import Verdict
from harness.report.text import explain_line, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from harness.report.finished_run import FinishedRun
    from harness.results.result_line import ResultLine

_VERSION = "KTAP version 1"

_MARKS = re.compile("#|(?<=partitions):|(?<=VFS):|(?<=reboot):")
"""What kunit.py reads in the middle of a line: a directive, and the last line of a kernel's log."""


def ktap(lines: Iterable[ResultLine], *, not_run: Iterable[str], where: str) -> str:
    """Return the KTAP of these cells, without the last line break.

    `not_run` has the ids of the cells that were to run and have no result; each is a test that
    failed. `where` names the run for `umd-harness show`.
    """
    by_suite = sorted(lines, key=_suite_name)
    suites = [(name, list(members)) for name, members in groupby(by_suite, key=_suite_name)]
    missing = list(not_run)
    told = [_VERSION, f"1..{len(suites) + len(missing)}"]
    for number, (name, members) in enumerate(suites, start=1):
        told += _suite(number, name, members, where)
    for number, cell in enumerate(missing, start=len(suites) + 1):
        told.append(f"not ok {number} {_safe(cell)} # ERROR it was not run")
    return "\n".join(told)


def write_ktap(file: TextIO, run: FinishedRun) -> None:
    """Write the KTAP of a run that has just ended. Raises OSError."""
    not_run = (cell.id for cell in run.cells if cell not in run.results)
    file.write(ktap(run.lines, not_run=not_run, where=str(run.where)) + "\n")


def _suite_name(line: ResultLine) -> str:
    return f"{line.line}-{line.variant}"


def _suite(number: int, name: str, lines: Sequence[ResultLine], where: str) -> Iterator[str]:
    yield f"  {_VERSION}"
    yield f"  # Subtest: {_safe(name)}"
    yield f"  1..{len(lines)}"
    for count, line in enumerate(lines, start=1):
        for said in _case(count, line, where):
            yield f"  {said}"
    skipped = " # SKIP all cells" if all(line.is_skipped for line in lines) else ""
    yield f"{_result(lines)} {number} {_safe(name)}{skipped}"


def _case(number: int, line: ResultLine, where: str) -> Iterator[str]:
    """Yield the line of a cell, below lines that say why it failed."""
    if not line.ok:
        yield f"# {_safe(explain_line(line))}"
        yield f"# umd-harness show {_safe(where)} {_safe(line.cell.id)}"
    if line.kept:
        yield f"# kept from {_safe(line.kept)}: {_safe(line.scenario)}"
    directive = _directive(line)
    yield f"{_result([line])} {number} {_safe(line.scenario)}{directive and f' # {directive}'}"


def _result(lines: Iterable[ResultLine]) -> str:
    return "ok" if all(line.ok for line in lines) else "not ok"


def _directive(line: ResultLine) -> str:
    """Return the directive of a cell with its reason; empty for a cell that passed or failed."""
    if line.verdict is Verdict.ERROR:
        return f"ERROR {_safe(line.detail)}"
    if line.is_skipped:
        return f"SKIP {_safe(line.detail)}"
    if line.ok and line.known_hole is not None:
        return f"XFAIL {line.verdict}, a known hole: {_safe(line.known_hole)}"
    return ""


def _safe(text: str) -> str:
    """Return text without the marks of KTAP: it may quote a guest."""
    return _MARKS.sub(lambda mark: f"\\x{ord(mark[0]):02x}", visible(text))
