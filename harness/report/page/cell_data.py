# SPDX-License-Identifier: GPL-2.0-only
"""A cell in the page's data: its result, and its story in short."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from harness.host.errors import UserError
from harness.model.verdict import Verdict
from harness.report.attack_calls import call_lines
from harness.report.attack_source import attack_source
from harness.report.cell_story import cell_story, console_end
from harness.report.witness_story import request_counts, witness_findings
from harness.results.kept_cell import KeptCell, keep_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.model.cell import Cell, Outcome
    from harness.report.page.texts import Texts
    from harness.results.recorded_run import RecordedRun
    from harness.results.result_line import ResultLine
    from harness.scenarios.corpus import Corpus

_TRACEBACK = 40  # lines of a traceback

MOST_TOLD = 20_000
"""The most cells of a run whose evidence all stands in the page. Of a longer run, the page has that
of the cells that are not as expected: more is neither read nor opened in reasonable time."""

Data = dict[str, Any]


class CellData:
    """Makes the objects of a run's cells, and notes which evidence is missing or damaged."""

    def __init__(
        self, run: RecordedRun, corpus: Corpus, texts: Texts, unsteady: Mapping[Cell, str]
    ) -> None:
        """Take the run, and the cells that have other verdicts in other repetitions of it.

        The texts of the objects go into `texts`.
        """
        self._run, self._corpus, self._texts, self._unsteady = run, corpus, texts, unsteady
        self._source = cache(
            lambda name: attack_source(name, self._corpus, self._run.header.scenario_files)
        )
        self.absent: list[str] = []
        """The cells without evidence."""
        self.damaged: list[str] = []
        """The cells of whose evidence a part cannot be read."""
        self.is_short = len(run.cells) <= MOST_TOLD
        """Whether all cells have their evidence."""

    def of(self, line: ResultLine) -> Data:
        """Return a cell's object. Empty values are left out."""
        is_told = self.is_short or not line.ok
        kept = self._kept(line) if is_told else self._untold(line)
        story = cell_story(kept, self._corpus, self._source(line.scenario))
        place = self._texts.place
        found: Data = {
            **self._result(line),
            "why": place(story.expectation),
            "run": place(story.run),
            "shell": place(story.shell),
            "files": self._texts.places(kept.files if is_told else ()),
        }
        if kept.outcome is not None:
            found |= self._evidence(kept, kept.outcome)
        return {name: value for name, value in found.items() if value}

    def _result(self, line: ResultLine) -> Data:
        place, places = self._texts.place, self._texts.places
        cell, lost, is_control = line.cell, line.lost, line.is_control
        won, made = line.tries
        repeats = self._unsteady.get(cell, "")
        return {
            "id": cell.id,
            "variant": line.variant,
            "verdict": line.verdict.value,
            "unexpected": int(not line.ok),
            "expected": line.expected.value,
            "lost": sorted(lost),
            "detail": place(line.detail),
            "hole": place(line.known_hole or "") if line.ok else 0,
            "hooks": places(line.hooks),
            "refusable": places(line.refusable),
            "unhooked": int(line.is_unhooked(self._corpus.scenarios.get(line.scenario))),
            "gained": places(line.gained),
            "half": place(line.half),
            "end": place(line.attempt_end),
            "control": "" if is_control else line.control.variant,
            "controlVerdict": "" if is_control else line.control.verdict.value,
            "tries": f"{won} of {made}" if made else "",
            "rounds": line.rounds if line.rounds > 1 else 0,
            "repeats": repeats,
            "kept": place(line.kept),
            "flaky": int(0 < won < made or line.rounds > 1 or bool(repeats)),
            "seconds": round(line.seconds, 2),
        }

    def _kept(self, line: ResultLine) -> KeptCell:
        try:
            kept = keep_of(self._run, line)
        except (UserError, ValueError):
            self.damaged.append(line.cell.id)
            return self._untold(line)
        if kept.outcome is None:
            self.absent.append(line.cell.id)
        return kept

    def _untold(self, line: ResultLine) -> KeptCell:
        """Return a cell without its evidence."""
        return KeptCell(self._run, line, None)

    def _evidence(self, kept: KeptCell, outcome: Outcome) -> Data:
        """Return what the witness and the attacker's calls say, as far as this version reads it."""
        places = self._texts.places
        found: Data = {
            "console": places(console_end(kept)),
            "traceback": places(outcome.traceback.splitlines()[-_TRACEBACK:]),
        }
        try:
            return found | {
                "calls": places(call_lines(outcome.attempt)),
                "counts": list(request_counts(outcome.witness).values()),
                "witness": places(witness_findings(outcome.witness)),
            }
        except (LookupError, TypeError, ValueError, AttributeError):
            self.damaged.append(kept.cell.id)
            return found


def worse_than(line: ResultLine, reference: ResultLine | None) -> list[str] | None:
    """Return what a cell loses and the reference does not; None if that cannot be determined."""
    lines = [line, reference]
    if any(one is None or one.verdict is Verdict.ERROR for one in lines):
        return None
    return sorted(line.lost - (reference.lost if reference else frozenset()))
