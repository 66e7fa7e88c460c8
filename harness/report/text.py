# SPDX-License-Identifier: GPL-2.0-only
"""The sentences about results that every report shares."""

from __future__ import annotations

import os
import re
import shlex
from functools import cache
from typing import TYPE_CHECKING

from harness.host.paths import CHECKOUT
from harness.judge.selection import exact_word
from harness.kernel.series.lines import DEFAULT_LINE
from harness.model.engine_names import DEFAULT_ENGINE
from harness.model.handlers import DEFAULT_HANDLER
from harness.model.verdict import Verdict
from harness.results.counts import counts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.judge.result import Result
    from harness.kernel.choice.kernel_choice import KernelChoice
    from harness.model.cell import Cell
    from harness.results.result_line import ResultLine
    from harness.scenarios.corpus import Corpus


_ORDERS = re.compile("::|##")
"""The start of a command to a CI system that reads the log: GitHub's `::error::` and `##[error]`,
Azure's `##vso[`, TeamCity's `##teamcity[`."""


def visible(text: str) -> str:
    """Escape unprintable characters and commands to a CI system: details may quote a guest."""
    return _ORDERS.sub(lambda order: f"{order[0][0]}\\x{ord(order[0][1]):02x}", printable(text))


def short_hash(value: str) -> str:
    """Return the hex digits that reports show of a hash or of an image's key."""
    return value[:12]


def printable(text: str) -> str:
    """Escape unprintable characters.

    Unicode's classes decide which characters are printable. Terminal controls, line breaks,
    right-to-left overrides and lone surrogates are not.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def rerun_line(
    result: Result,
    corpus: Corpus,
    choice: KernelChoice | None = None,
    *,
    engine: str = DEFAULT_ENGINE,
) -> str:
    """Return the command that runs this cell again, with the cells that its result depends on.

    `corpus` has the scenarios among which `-k` chooses. `choice` is the kernel that the user
    brought, if any.
    """
    cell = result.cell
    line = [] if cell.line == DEFAULT_LINE else ["--line", cell.line]
    words = [*(choice.words() if choice else line)]
    words += [] if engine in ("", DEFAULT_ENGINE) else ["--engine", engine]
    words += [] if corpus.handler == DEFAULT_HANDLER else ["--handler", corpus.handler]
    words += ["--variant", cell.variant, "-k", exact_word(corpus, cell)]
    words += result.variant.origin + result.scenario.origin
    return f"{run_command()} {shlex.join(words)}"


def run_command() -> str:
    """Return the start of a command line that runs scenarios from the current directory."""
    return "./run scenarios" if in_checkout() else "umd-harness run"


def in_checkout() -> bool:
    """Whether the current directory is this checkout, whose commands are ./run and in .venv/bin."""
    # The page of a run asks for each cell. A `Path` of the folder would take ten times as long.
    try:
        return os.getcwd() == str(CHECKOUT) and _has_run()  # noqa: PTH109
    except FileNotFoundError:  # the folder was removed
        return False


@cache
def _has_run() -> bool:
    return (CHECKOUT / "run").is_file()


def explain(result: Result) -> str:
    """Say in one line why a result is not as expected."""
    said = f": {visible(result.detail)}" if result.detail else ""
    if result.verdict is Verdict.ERROR:
        return f"error{said}"
    if result.hole is not None and result.verdict is Verdict.HELD:
        return (
            f"held{said}; the hole declared for {result.cell.variant} "
            f"(expected {result.expected}: {result.hole}) is closed: remove it from the scenario"
        )
    if result.doubt and result.verdict is result.expected:
        return f"{result.verdict} as expected, but {visible(result.doubt)}{said}"
    return f"{result.verdict}, expected {result.expected}{said}"


def explain_line(line: ResultLine) -> str:
    """Say in one line why a kept result is not as expected."""
    said = f": {visible(line.detail)}" if line.detail else ""
    if line.verdict is Verdict.ERROR:
        return f"error{said}"
    if line.verdict is not line.expected:
        return f"{line.verdict}, expected {line.expected}{said}"
    gained = f"it gained {', '.join(line.gained)}" if line.gained else "nothing was gained"
    return f"{line.verdict} as expected, but {visible(line.half or gained)}{said}"


def summary_line(lines: Iterable[ResultLine], *, not_run: int = 0) -> str:
    """Return the last line of a run: the numbers of its cells by outcome."""
    every = list(lines)
    count = counts(every)
    parts = [
        f"{count['expected']} as expected",
        f"{count['unexpected']} unexpected",
        plural(count["errors"], "error"),
        plural(count["known_holes"], "known hole"),
    ]
    if kept := sum(bool(line.kept) for line in every):
        parts.append(f"{kept} kept")
    if not_run:
        parts.append(f"{not_run} not run")
    return f"{plural(count['cells'], 'cell')}: " + ", ".join(parts)


def plan_line(chosen: Sequence[Cell], needed: Sequence[Cell], *, jobs: int) -> str:
    """Return the first line of a run: the numbers of cells, and of jobs."""
    scenarios = plural(len({cell.scenario for cell in chosen}), "scenario")
    variants = plural(len({cell.variant for cell in chosen}), "variant")
    lines = ", ".join(dict.fromkeys(cell.line for cell in chosen))
    more = len(needed) - len(chosen)
    rest = f" and {more} more that their results depend on (controls, references)" if more else ""
    cells = f"{plural(len(chosen), 'cell')} ({scenarios} on {variants} of {lines})"
    return f"{cells}{rest}, {jobs} at a time"


def plural(number: int, noun: str) -> str:
    """Return `1 cell`, `2 cells`."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
