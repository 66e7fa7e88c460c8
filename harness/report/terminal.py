# SPDX-License-Identifier: GPL-2.0-only
"""A run on the terminal: a live display, and the report at the end."""

from __future__ import annotations

import os
import statistics
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from harness.judge.parity import REFERENCE, SUBJECT, parities
from harness.model.verdict import Verdict
from harness.report.progress import PlainProgress
from harness.report.table import live_table, matrix_tables, scenarios_of, verdict_text
from harness.report.text import explain, plural, summary_line, visible
from harness.results.result_line import line_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from harness.judge.result import Result
    from harness.model.cell import Cell
    from harness.scenarios.corpus import Corpus

_PLAIN_WIDTH = 160  # columns, if the output is no terminal
_AROUND = 6  # lines of the live display besides the rows: title, rule, counts, progress, blanks


def console(file: TextIO | None = None) -> Console:
    """Return a console that prints text unchanged: no markup, no emoji names, no highlighting."""
    out = sys.stdout if file is None else file
    width = None if out.isatty() else _PLAIN_WIDTH
    return _Console(file=out, width=width, markup=False, emoji=False, highlight=False)


class _Console(Console):
    """A console that goes quiet if its reader exits (`| head`), so that the run can go on."""

    def on_broken_pipe(self) -> None:
        """Print no more. Replace the output, whose flush at exit would raise an error."""
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)


class Screen:
    """Shows a running run: as a live matrix, or as plain lines if there is no terminal.

    A context manager; `progress` may be called from any thread.
    """

    def __init__(self, corpus: Corpus, cells: Sequence[Cell], out: Console) -> None:
        """Store the cells that will run, and the console."""
        self._corpus = corpus
        self._cells = cells
        self._out = out
        self._names = scenarios_of(corpus, cells)
        self._started: dict[Cell, float] = {}
        self._ended: set[Cell] = set()
        self._results: dict[Cell, Result] = {}
        self._progress = Spinner("dots")
        self._plain = PlainProgress(self.say)
        self._live = Live(
            get_renderable=self._draw, console=out, transient=True, refresh_per_second=8
        )

    def __enter__(self) -> Screen:
        """Start the live display."""
        if self._out.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the live display."""
        if self._out.is_terminal:
            self._live.stop()

    def progress(self, text: str) -> None:
        """Show work other than the cells' own, such as a build."""
        if self._out.is_terminal:
            self._progress = Spinner("dots", Text(visible(text), style="dim", no_wrap=True))
        else:
            self._plain(text)

    def say(self, text: str) -> None:
        """Print a line that stays on the terminal."""
        self._out.print(visible(text), soft_wrap=True)

    def started(self, cell: Cell) -> None:
        """Note that a cell has started."""
        self._started[cell] = time.monotonic()

    def ended(self, cell: Cell) -> None:
        """Note that a cell has ended. Its result may still depend on other cells."""
        self._ended.add(cell)

    def final(self, result: Result) -> None:
        """Note a final result; without a terminal, print its line."""
        self._results[result.cell] = result
        if self._out.is_terminal:
            return
        done = f"[{len(self._results)}/{len(self._cells)}]"
        outcome = f"{result.verdict} ({result.detail})" if result.detail else result.verdict
        if not result.ok:
            outcome = "! " + explain(result)
        self.say(f"{done} {result.cell.id} {outcome} {result.seconds:.2f} s")

    def _draw(self) -> Group:
        done = Text(f"{len(self._results)}/{len(self._cells)} cells", style="bold")
        table = live_table(self._corpus, self._cells, self._state, names=self._in_view())
        return Group(table, done, self._progress)

    def _in_view(self) -> list[str]:
        """Return the scenarios that fit on the terminal, around the one started last."""
        room = max(1, self._out.height - _AROUND)
        latest = next(reversed(self._started), None)
        place = self._names.index(latest.scenario) if latest else 0
        first = max(0, min(place - room // 2, len(self._names) - room))
        return self._names[first : first + room]

    def _state(self, cell: Cell) -> Text:
        if cell in self._results:
            return verdict_text(self._results[cell], detail=False)
        if cell in self._ended:
            return Text("waits for its control", style="dim")
        if cell in self._started:
            return Text(f"running {time.monotonic() - self._started[cell]:.1f} s", style="blue")
        return Text("·", style="dim")


def print_report(
    out: Console,
    corpus: Corpus,
    results: Sequence[Result],
    *,
    cells: Sequence[Cell],
    seconds: float,
    where: Path,
    notes: Mapping[Cell, str],
    rerun: Callable[[Result], str],
) -> None:
    """Print the matrix, failures, known holes, parity, timings and the counts.

    `notes` has a further line for some of the failed cells. `rerun` returns the command that runs
    a cell again.
    """
    by_cell = {result.cell: result for result in results}
    for table in matrix_tables(corpus, cells, by_cell, width=out.width):
        out.print(table)
    ordered = [by_cell[cell] for cell in cells if cell in by_cell]
    _print_failures(out, ordered, notes, rerun)
    _print_holes(out, ordered)
    _print_unhooked(out, ordered)
    _print_parity(out, ordered)
    ran = [result.seconds for result in ordered if result.verdict is not Verdict.ERROR]
    if ran:
        median = statistics.median(ran)
        out.print(f"median cell {median:.2f} s, slowest {max(ran):.2f} s; {seconds:.1f} s in all")
    out.print(f"results: {visible(str(where))}", soft_wrap=True)
    not_run = len(cells) - len(ordered)
    failed = not all(result.ok for result in ordered) or not_run or not ordered
    out.print(
        summary_line(map(line_of, ordered), not_run=not_run),
        style="bold red" if failed else "bold green",
    )


def _print_failures(
    out: Console,
    results: list[Result],
    notes: Mapping[Cell, str],
    rerun: Callable[[Result], str],
) -> None:
    failed = [result for result in results if not result.ok]
    if not failed:
        return
    out.print("Not as expected:", style="bold")
    for result in failed:
        out.print(f"  {result.cell.id}: {explain(result)}", soft_wrap=True)
        out.print(f"    {rerun(result)}", soft_wrap=True)
        if result.cell in notes:
            out.print(f"    {visible(notes[result.cell])}", soft_wrap=True)


def _print_holes(out: Console, results: list[Result]) -> None:
    holes = [result for result in results if result.ok and result.hole is not None]
    if not holes:
        return
    out.print(f"{plural(len(holes), 'known hole').capitalize()}:", style="bold")
    for said, variants in _variants_by(holes, lambda r: (r.verdict, r.hole or "")).items():
        line, name, verdict, why = said
        out.print(f"  {line} {name}: {verdict} on {variants}: {visible(why)}", soft_wrap=True)


def _print_unhooked(out: Console, results: list[Result]) -> None:
    """Print the attacks that won and passed no LSM hook able to deny them (L5)."""
    unhooked = _variants_by([r for r in results if r.unhooked], lambda _: ())
    if not unhooked:
        return
    them = "it" if len(unhooked) == 1 else "them"
    attacks = plural(len(unhooked), "attack")
    out.print(f"{attacks} won and passed no LSM hook able to deny {them}:", style="bold")
    for (line, name), variants in unhooked.items():
        out.print(f"  {line} {name}: {variants}", soft_wrap=True)


def _print_parity(out: Console, results: list[Result]) -> None:
    """Print the attacks under which the isolated handler loses more than a kernel thread (R16)."""
    compared = list(parities(results))
    worse = [(cell, axes) for cell, axes in compared if axes]
    unknown = [cell.scenario for cell, axes in compared if axes is None]
    if worse:
        attacks = plural(len(worse), "attack")
        out.print(f"{SUBJECT} loses more than {REFERENCE} under {attacks}:", style="bold")
    for cell, axes in worse:
        out.print(f"  {cell.line} {cell.scenario}: {', '.join(axes or ())}", soft_wrap=True)
    if len(unknown) < len(compared) and unknown:
        out.print(f"parity not determined for: {', '.join(unknown)}", soft_wrap=True)


def _variants_by(
    results: list[Result], what: Callable[[Result], tuple[str, ...]]
) -> dict[tuple[str, ...], str]:
    """Return the names of the variants, grouped by line, scenario and `what`."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for result in results:
        key = (result.cell.line, result.cell.scenario, *what(result))
        groups.setdefault(key, []).append(result.cell.variant)
    return {key: ", ".join(variants) for key, variants in groups.items()}


@contextmanager
def progress_line(out: Console) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows progress: on a line that changes, or as plain lines."""
    if not out.is_terminal:
        yield PlainProgress(lambda text: out.print(text, soft_wrap=True))
        return
    with out.status("") as status:
        yield lambda text: status.update(Text(visible(text), no_wrap=True))
