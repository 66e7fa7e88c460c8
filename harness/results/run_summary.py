# SPDX-License-Identifier: GPL-2.0-only
"""The summary of a run: what reports count, in one file that a repository can keep.

The file has no evidence, nothing of a guest, and nothing of the host but how long cells took. Its
cells are in words, so that a change of the file can be read.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from harness.host.errors import UserError
from harness.host.files import write_atomically
from harness.model.cell import Cell
from harness.model.handlers import DEFAULT_HANDLER
from harness.model.verdict import Axes, Verdict
from harness.results.recorded_run import RecordedRun, read_run
from harness.results.records import read_record
from harness.results.result_line import NOT_KEPT, SCHEMA, Control, ResultLine
from harness.results.run_header import RunHeader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.scenarios.corpus import Corpus
    from harness.scenarios.registry import Scenario

SUMMARY_SCHEMA = 1
"""Changes with the fields of the file, and with their meaning."""

SUFFIX = ".json"

_HINT = "write it again: umd-harness findings RUN --summaries DIR"
_HELD, _STEP, _HOOKED, _HOLE, _UNEXPECTED = "held", "step", "hooked", "hole", "unexpected"
_AXES = tuple(Axes.__dataclass_fields__)
_WORDS = frozenset((*_AXES, _STEP, _HOOKED, _HOLE, _UNEXPECTED, *map(str, Verdict)))


class RunSummary(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run, without its evidence."""

    schema: int
    """The version of these fields, `SUMMARY_SCHEMA`."""

    run: str
    """The name of the run."""

    line: str
    """The kernel line, or the name of the user's kernel."""

    release: str
    """The kernel's release."""

    image: str
    """The key of the kernel image."""

    commit: str
    """The commit of the harness."""

    engine: str
    """How the machines booted."""

    accelerator: str
    """`kvm` or `tcg`."""

    finished: str | None
    """When the run ended; null if it did not."""

    error: str | None
    """The error for which the run could not go on."""

    stopped_by: str | None
    """The signal that stopped the run."""

    handler: str = DEFAULT_HANDLER
    """The handler that was attacked."""

    kernel: str = ""
    """What the user's kernel was built from, in words; empty for a kernel line."""

    cells: dict[str, dict[str, str]]
    """For each scenario and variant, words: `held`, `n/a` or `error`, or the axes that were lost;
    `step` if something was gained, `hooked` if a hook that can refuse was called, `hole` for a
    known hole, `unexpected` if the verdict was another than declared."""

    seconds: dict[str, float] = {}
    """The mean seconds of a cell of each scenario; `run --shard` divides cells by them."""


_HEADER = tuple(
    name
    for name in RunSummary.__struct_fields__
    if name not in ("schema", "run", "cells", "seconds")
)


def summary_of(run: RecordedRun) -> RunSummary:
    """Return the summary of a run."""
    cells: dict[str, dict[str, str]] = {}
    for cell, line in run.cells.items():
        cells.setdefault(cell.scenario, {})[cell.variant] = _in_words(line)
    kept = {name: getattr(run.header, name) for name in _HEADER}
    seconds = mean_seconds(run.cells.values())
    return RunSummary(schema=SUMMARY_SCHEMA, run=run.name, cells=cells, seconds=seconds, **kept)


def mean_seconds(lines: Iterable[ResultLine]) -> dict[str, float]:
    """Return the mean seconds of the cells of each scenario, without those that were not tried."""
    found: dict[str, list[float]] = {}
    for line in lines:
        if line.seconds:
            found.setdefault(line.scenario, []).append(line.seconds)
    return {name: round(fmean(every), 2) for name, every in sorted(found.items())}


def write_summary(folder: Path, run: RecordedRun) -> Path:
    """Write the summary to a file with the name of the run; return its path. Raises OSError."""
    summary = summary_of(run)
    facts = {name: value for name, value in structs.asdict(summary).items() if name != "cells"}
    rows = [f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in summary.cells.items()]
    head = json.dumps(facts, indent=1).removesuffix("\n}")
    text = f'{head},\n "cells": {{\n' + ",\n".join(rows) + "\n }\n}\n"
    path = folder / f"{run.name}{SUFFIX}"
    write_atomically(path, text)
    return path


def read_kept(name: str, corpus: Corpus, *, root: Path) -> RecordedRun:
    """Read a run as `read_run` does, or the file of a summary. Raises UserError."""
    path = Path(name)
    if path.suffix == SUFFIX and path.is_file():
        return read_summary(path, corpus)
    return read_run(name, root=root)


def handler_of(runs: Iterable[RecordedRun]) -> str:
    """Return the handler that all of these runs attacked. Raises UserError if they differ."""
    names = {run.header.handler for run in runs} or {DEFAULT_HANDLER}
    if len(names) > 1:
        raise UserError(
            f"the runs attacked different handlers: {', '.join(sorted(names))}",
            hint="name runs of one handler",
        )
    return names.pop()


def read_summary(path: Path, corpus: Corpus) -> RecordedRun:
    """Return the run that a summary stands for; what it does not keep is empty. Raises UserError.

    Scenarios that the corpus does not have are left out.
    """
    summary = read_summary_file(path)
    corpus = corpus.with_handler(summary.handler)
    lines = {}
    for name, row in summary.cells.items():
        if (scenario := corpus.scenarios.get(name)) is not None:
            for variant, said in row.items():
                _check_words(path, name, said)
                cell = Cell(summary.line, variant, name)
                lines[cell] = _line(cell, scenario, row, summary)
    header = RunHeader(**{name: getattr(summary, name) for name in _HEADER})
    return RecordedRun(summary.run, header, lines, path)


def read_summary_file(path: Path) -> RunSummary:
    """Return what the file has. Raises UserError."""
    wrong = "is not the summary of a run of this version"
    return read_record(path, RunSummary, schema=SUMMARY_SCHEMA, wrong=wrong, hint=_HINT)


def _in_words(line: ResultLine) -> str:
    if line.axes is None:
        words = [str(line.verdict)]
    else:
        words = [name for name, lost in vars(line.axes).items() if lost] or [_HELD]
    flags = {
        _STEP: line.gained,
        _HOOKED: line.refusable,
        _HOLE: line.known_hole and line.ok,
        _UNEXPECTED: not line.ok,
    }
    return " ".join([*words, *(word for word, is_so in flags.items() if is_so)])


def _check_words(path: Path, name: str, said: str) -> None:
    if not said or (unknown := set(said.split()) - _WORDS):
        what = f"{sorted(unknown)[0]!r}" if said else "nothing"
        raise UserError(f"{path} says {what} of {name}, which is no result", hint=_HINT)


def _line(
    cell: Cell, scenario: Scenario, row: Mapping[str, str], summary: RunSummary
) -> ResultLine:
    words = set(row[cell.variant].split())
    verdict, axes = _outcome(words)
    control = cell.variant if scenario.is_reference else scenario.control
    kept = {
        "known_hole": _HOLE if _HOLE in words else None,
        "refusable": (_HOOKED,) if _HOOKED in words else (),
        "gained": (_STEP,) if _STEP in words else (),
        "image": summary.image,
        "seconds": 0.0 if axes is None else summary.seconds.get(cell.scenario, 0.0),
    }
    return ResultLine(
        schema=SCHEMA,
        line=cell.line,
        variant=cell.variant,
        scenario=cell.scenario,
        effect=scenario.effect,
        surface=scenario.surface,
        answers=scenario.answers,
        control=Control(
            variant=control, verdict=_outcome(set(row.get(control, "error").split()))[0]
        ),
        verdict=verdict,
        axes=axes,
        expected=verdict,
        ok=_UNEXPECTED not in words,
        **{**NOT_KEPT, **kept},
    )


def _outcome(words: set[str]) -> tuple[Verdict, Axes | None]:
    """Return the verdict that the words stand for, and the axes if there is a conclusion."""
    for verdict in (Verdict.ERROR, Verdict.NOT_APPLICABLE):
        if verdict in words:
            return verdict, None
    axes = Axes(**{name: name in words for name in _AXES})
    return axes.verdict, axes
