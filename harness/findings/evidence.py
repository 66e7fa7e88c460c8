# SPDX-License-Identifier: GPL-2.0-only
"""The evidence of the findings: several kept runs, and for each variant the run that counts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.model.handlers import DEFAULT_HANDLER
from harness.model.verdict import A_STEP, Axes, Verdict
from harness.results.defence_summary import DefenceSummary, read_defences
from harness.results.held_counts import HeldCount
from harness.results.run_summary import SUFFIX, read_kept, read_summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.results.recorded_run import RecordedRun
    from harness.results.result_line import ResultLine
    from harness.scenarios.corpus import Corpus

AXES = {**{name: name for name in Axes.__dataclass_fields__}, A_STEP: A_STEP}
AXES["confidentiality"] = "secrets"
"""What an attack can win, the three axes and a step, with the short names for a table."""

NOT_MEASURED = "not measured in this run"
"""What stands for the number of a variant that no run has."""

DEFENCES_FILE = f"defences{SUFFIX}"
"""The file, beside the summaries of runs, with what was measured of the defences."""


_UNMEASURED = DefenceSummary()


@dataclass(frozen=True)
class Evidence:
    """Kept runs of one handler. Of the runs that have a variant, the first gives its numbers."""

    corpus: Corpus
    runs: Sequence[RecordedRun]
    defences: DefenceSummary = _UNMEASURED
    parsers: Sequence[RecordedRun] = ()
    """Runs of other handlers."""

    @property
    def variants(self) -> list[str]:
        """The variants that some run has."""
        return list(dict.fromkeys(cell.variant for run in self.runs for cell in run.cells))

    def attacks(self, run: RecordedRun, variant: str) -> Mapping[str, ResultLine]:
        """Return the lines that a run has of a variant, without the reference cells."""
        scenarios = self.corpus.with_handler(run.header.handler).scenarios
        return {
            cell.scenario: line
            for cell, line in run.cells.items()
            if cell.variant == variant
            and cell.scenario in scenarios
            and not scenarios[cell.scenario].is_reference
        }

    def run_of(self, variant: str) -> RecordedRun | None:
        """Return the run that counts for a variant; None if no run has an attack on it."""
        return next((run for run in self.runs if self.attacks(run, variant)), None)

    def lines(self, variant: str) -> Mapping[str, ResultLine]:
        """Return the lines of a variant by attack, without the reference cells."""
        run = self.run_of(variant)
        return self.attacks(run, variant) if run else {}

    def has(self, variant: str) -> bool:
        """Whether a run has the variant."""
        return self.run_of(variant) is not None

    def won(self, variant: str, axis: str) -> list[str]:
        """Return the attacks that won on an axis, or gained a step, on a variant."""
        return [
            name
            for name, line in self.lines(variant).items()
            if axis in line.lost and not line.is_inconclusive
        ]

    def judged(self, variant: str) -> set[str]:
        """Return the attacks with a verdict on a variant."""
        return {name for name, line in self.lines(variant).items() if HeldCount.of([line]).run}

    def held(self, variant: str, names: Iterable[str]) -> HeldCount:
        """Count some attacks on a variant."""
        lines = self.lines(variant)
        return HeldCount.of(lines[name] for name in names if name in lines)

    def verdict(self, variant: str, name: str) -> str:
        """Return the verdict of a cell in words."""
        line = self.lines(variant).get(name)
        if line is None:
            return NOT_MEASURED
        step = line.verdict is Verdict.HELD and A_STEP in line.lost
        return f"{line.verdict}, {A_STEP}" if step else str(line.verdict)

    def unhooked(self, variant: str) -> list[str]:
        """Return the attacks from outside that won and passed no LSM hook able to deny them."""
        return [
            name
            for name, line in self.lines(variant).items()
            if line.is_unhooked(self.corpus.scenarios[name])
        ]

    def attacks_of(self, file: str) -> list[str]:
        """Return the attacks that a file of harness/scenarios/ has."""
        return [
            name
            for name, scenario in self.corpus.scenarios.items()
            if scenario.attack.__module__ == f"harness.scenarios.{file}"
        ]


def evidence_of(
    names: Sequence[str], corpus: Corpus, *, root: Path, defences: DefenceSummary | None = None
) -> Evidence:
    """Return the evidence of runs, or of their summaries, by name. Raises UserError.

    A file that is called as the one in docs/runs has what was measured of the defences.
    """
    measured = [name for name in names if Path(name).name == DEFENCES_FILE]
    runs = [read_kept(name, corpus, root=root) for name in names if name not in measured]
    if measured and defences is None:
        defences = read_defences(Path(measured[0]))
    return _of_handlers(runs, corpus, defences or _UNMEASURED)


def kept_evidence(folder: Path, corpus: Corpus) -> Evidence:
    """Return the evidence of the summaries in a folder: the run with the most cells comes first.

    Raises UserError.
    """
    files = [path for path in folder.glob(f"*{SUFFIX}") if path.name != DEFENCES_FILE]
    runs = [read_summary(path, corpus) for path in sorted(files)]
    runs.sort(key=lambda run: len(run.cells), reverse=True)
    measured = folder / DEFENCES_FILE
    defences = read_defences(measured) if measured.is_file() else _UNMEASURED
    return _of_handlers(runs, corpus, defences)


def _of_handlers(runs: Sequence[RecordedRun], corpus: Corpus, defences: DefenceSummary) -> Evidence:
    """Return the evidence of the default handler, or of the first run's if no run has it."""
    names = [run.header.handler for run in runs] or [DEFAULT_HANDLER]
    handler = DEFAULT_HANDLER if DEFAULT_HANDLER in names else names[0]
    of_it = [run for run in runs if run.header.handler == handler]
    others = [run for run in runs if run.header.handler != handler]
    return Evidence(corpus.with_handler(handler), of_it, defences, others)
