# SPDX-License-Identifier: GPL-2.0-only
"""A run on the terminal while it runs: a live matrix, or plain lines."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from harness.report.progress import PlainProgress
from harness.report.table import live_table, scenarios_of, verdict_text
from harness.report.text import explain, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
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

    With `only_problems` there is no matrix, and no line for a cell that is as expected.
    A context manager; `progress` may be called from any thread.
    """

    def __init__(
        self, corpus: Corpus, cells: Sequence[Cell], out: Console, *, only_problems: bool = False
    ) -> None:
        """Store the cells that will run, and the console."""
        self._only_problems = only_problems
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

    def known(self, result: Result) -> None:
        """Note a result of an earlier part of the run."""
        self._results[result.cell] = result

    def final(self, result: Result) -> None:
        """Note a final result. Print its line, unless the live matrix shows it."""
        self._results[result.cell] = result
        if result.ok if self._only_problems else self._out.is_terminal:
            return
        done = f"[{len(self._results)}/{len(self._cells)}]"
        outcome = f"{result.verdict} ({result.detail})" if result.detail else result.verdict
        if not result.ok:
            outcome = "! " + explain(result)
        self.say(f"{done} {result.cell.id} {outcome} {result.seconds:.2f} s")

    def _draw(self) -> Group:
        done = Text(f"{len(self._results)}/{len(self._cells)} cells", style="bold")
        if self._only_problems:
            return Group(done, self._progress)
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


@contextmanager
def progress_line(out: Console) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows progress: on a line that changes, or as plain lines."""
    if not out.is_terminal:
        yield PlainProgress(lambda text: out.print(text, soft_wrap=True))
        return
    with out.status("") as status:
        yield lambda text: status.update(Text(visible(text), no_wrap=True))
