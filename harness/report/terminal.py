# SPDX-License-Identifier: GPL-2.0-only
"""A run on the terminal while it runs: a live matrix, or plain lines."""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from statistics import fmean
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from harness.host.pace import Pace, clock, duration
from harness.report.phase import phase_of_user
from harness.report.progress import PlainProgress, beating
from harness.report.table import live_table, scenarios_of, verdict_text
from harness.report.text import explain, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from harness.judge.result import Result
    from harness.model.cell import Cell
    from harness.scenarios.corpus import Corpus

_PLAIN_WIDTH = 160  # columns, if the output is no terminal
_FEW = 30  # cells of a run that prints a line for each of them
_EVERY = 10.0  # seconds between the lines of a longer run
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


def is_live(out: Console) -> bool:
    """Whether the console can rewrite its lines. A dumb terminal (TERM=dumb) cannot."""
    return out.is_terminal and not out.is_dumb_terminal


class Screen:
    """Shows a running run: as a live matrix, or as plain lines where no line can be rewritten.

    A long run prints a line now and then. With `only_problems` there is no matrix, and no line for
    a cell that is as expected.
    A context manager; `progress` may be called from any thread.
    """

    def __init__(
        self,
        corpus: Corpus,
        cells: Sequence[Cell],
        out: Console,
        *,
        only_problems: bool = False,
        seconds: Mapping[str, float] | None = None,
    ) -> None:
        """Store the cells that will run, and the console.

        `seconds` says how long a cell took in an earlier run, by scenario: by them the time that
        is left is estimated.
        """
        self._only_problems = only_problems
        self._corpus = corpus
        self._cells = cells
        self._out = out
        self._names = scenarios_of(corpus, cells)
        self._started: dict[Cell, float] = {}
        self._ended: set[Cell] = set()
        self._results: dict[Cell, Result] = {}
        self._seconds = seconds or {}
        self._mean = fmean(self._seconds.values()) if self._seconds else 1.0
        self._done = self._known = 0
        """What the cells took that have results; and those of an earlier part of the run."""
        self._is_live = is_live(out)
        self._spinner = Spinner("dots")
        self._phase = phase_of_user()
        self._plain = PlainProgress(self.say, phase=self._phase)
        self._pace = Pace(self._took(cells))
        self._start = 0.0
        self._printed = 0.0
        self._stack = ExitStack()
        self._live = Live(
            get_renderable=self._draw, console=out, transient=True, refresh_per_second=8
        )

    def __enter__(self) -> Screen:
        """Start the live display."""
        self._stack.enter_context(self._live if self._is_live else beating(self._plain))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the live display."""
        with suppress(OSError):  # the terminal was closed
            self._stack.close()

    def progress(self, text: str) -> None:
        """Show work other than the cells' own, such as a build."""
        if not self._is_live:
            self._plain(text)
        elif self._phase.tell(text):
            self._live.refresh()

    def say(self, text: str) -> None:
        """Print a line that stays on the terminal. The run goes on if the output takes no more."""
        with suppress(OSError):
            self._out.print(visible(text), soft_wrap=True)

    def started(self, cell: Cell) -> None:
        """Note that a cell has started. With the first, all other work is done."""
        now = time.monotonic()
        if not self._started:
            self._phase.end()
            self._pace, self._start = Pace(self._took(self._cells) - self._known), now
        self._started[cell] = now

    def ended(self, cell: Cell) -> None:
        """Note that a cell has ended. Its result may still depend on other cells."""
        self._ended.add(cell)

    def known(self, result: Result) -> None:
        """Note a result of an earlier part of the run, before a cell starts."""
        self._add(result)
        self._known = self._done

    def final(self, result: Result) -> None:
        """Note a final result. Print its line if it is due."""
        self._add(result)
        if not self._is_due(result):
            return
        self._printed = time.monotonic()
        outcome = f"{result.verdict} ({result.detail})" if result.detail else result.verdict
        if not result.ok:
            outcome = "! " + explain(result)
        done = f"[{len(self._results)}/{len(self._cells)}]"
        self.say(f"{done} {result.cell.id} {outcome} {result.seconds:.2f} s{self._left()}")

    def _is_due(self, result: Result) -> bool:
        if self._only_problems:
            return not result.ok
        if self._is_live:
            return False
        is_last = len(self._results) == len(self._cells)
        now_and_then = time.monotonic() >= self._printed + _EVERY
        return len(self._cells) <= _FEW or not result.ok or is_last or now_and_then

    def _add(self, result: Result) -> None:
        if result.cell not in self._results:
            self._done += self._took([result.cell])
        self._results[result.cell] = result

    def _took(self, cells: Iterable[Cell]) -> int:
        """Return the ms that cells took in an earlier run; the mean for a new scenario."""
        return sum(round(1000 * self._seconds.get(one.scenario, self._mean)) for one in cells)

    def _left(self) -> str:
        done = self._done - self._known
        left = self._pace.left(done) if len(self._cells) > _FEW else None
        return "" if left is None else f", about {duration(left)} left"

    def _draw(self) -> Group:
        so_far = f" [{clock(time.monotonic() - self._start)}]" if self._started else ""
        done = f"{len(self._results)}/{len(self._cells)} cells{so_far}{self._left()}"
        self._spinner.update(text=Text(str(self._phase), style="dim", no_wrap=True))
        if self._only_problems:
            return Group(Text(done, style="bold"), self._spinner)
        table = live_table(self._corpus, self._cells, self._state, names=self._in_view())
        return Group(table, Text(done, style="bold"), self._spinner)

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
    phase = phase_of_user()
    if not is_live(out):
        plain = PlainProgress(lambda text: out.print(text, soft_wrap=True), phase=phase)
        with beating(plain):
            yield plain
    else:
        spinner = Spinner("dots")

        def draw() -> Spinner:
            spinner.update(text=Text(str(phase), no_wrap=True))
            return spinner

        def tell(text: str) -> None:
            phase.tell(text)

        with Live(get_renderable=draw, console=out, transient=True, refresh_per_second=8):
            yield tell
    phase.end()
