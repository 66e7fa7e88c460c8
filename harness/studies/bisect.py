# SPDX-License-Identifier: GPL-2.0-only
"""The search for the commit that changes a verdict, by bisection as in `git bisect`.

Step N is a kernel with the first N commits of a series, and the witness. The results of a step are
kept in the cache, so that an interrupted search continues. Their key hashes all their inputs.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from harness.cache.notes import read_note, write_note
from harness.cache.places import BISECT
from harness.host.errors import DoesNotBuild, UserError
from harness.host.pace import Pace
from harness.host.paths import GUEST_IMAGES, PACKAGE
from harness.judge.conclusion import conclude
from harness.judge.controls import closure, variants_needed
from harness.model.verdict import Verdict
from harness.results.result_line import ResultLine, line_of
from harness.run.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from harness.model.cell import Cell, Outcome
    from harness.run.cell_runner import CellRunner
    from harness.scenarios.corpus import Corpus


class Steps(Protocol):
    """The steps of a series (harness/studies/kernel_steps.py)."""

    @property
    def first(self) -> int:
        """The first step that can be tried."""

    @property
    def last(self) -> int:
        """The last step: the number of commits besides the witness's."""

    def subject(self, number: int) -> str:
        """The subject of a commit, from 1."""

    def message(self, number: int) -> str:
        """The whole message of a commit, from 1."""

    def key(self, number: int, variants: Sequence[str]) -> str:
        """Return a key for the kernels that the variants use at a step."""

    def lab(
        self, number: int, variants: Sequence[str], progress: Callable[[str], None]
    ) -> CellRunner:
        """Build a step's kernels. Raises DoesNotBuild if the sources of the step do not compile."""


@dataclass(frozen=True)
class TriedStep:
    """A step that was tried: the results of its cells, or `why` it has none."""

    number: int
    found: Mapping[Cell, ResultLine] = field(default_factory=dict)
    why: str = ""

    def changed(self, other: TriedStep) -> list[Cell]:
        """Return the cells whose results differ from those at the other step."""
        return [
            cell
            for cell, found in self.found.items()
            if (found.verdict, found.lost) != (other.found[cell].verdict, other.found[cell].lost)
        ]


@dataclass(frozen=True)
class VerdictChange:
    """The last tried step before a change of a verdict, and the first one after the change.

    The steps between them were `skipped`. The commit of each may have made the change.
    """

    before: TriedStep
    after: TriedStep
    skipped: tuple[TriedStep, ...]


def step_of(steps: Steps, text: str) -> int:
    """Return the step with this number, or with this text in its subject. Raises UserError."""
    number = int(text) if text.isdecimal() else _by_subject(steps, text)
    if not steps.first <= number <= steps.last:
        needs = ": the witness needs the library" if number < steps.first else ""
        raise UserError(
            f"step {text} cannot be tried{needs}",
            hint=f"name a number from {steps.first} to {steps.last}, or a commit's subject",
        )
    return number


def _by_subject(steps: Steps, text: str) -> int:
    subjects = {number: steps.subject(number) for number in range(1, steps.last + 1)}
    exact = [number for number, subject in subjects.items() if subject == text]
    near = [number for number, said in subjects.items() if text.lower() in said.lower()]
    match exact or near:
        case [number]:
            return number
        case []:
            raise UserError(
                f"no commit has {text!r} in its subject",
                hint=f"the first is “{subjects[1]}”; you can also give its number",
            )
        case several:
            named = "; ".join(f"{number} “{subjects[number]}”" for number in several[:4])
            raise UserError(
                f"{len(several)} commits have {text!r} in their subjects: {named}",
                hint="give the number of the commit",
            )


def check_ends(good: int, bad: int) -> None:
    """Raise UserError for a search that has one end."""
    if good == bad:
        raise UserError(f"both ends of the search are step {good}", hint="name another end")


def bisect(
    good: int, bad: int, tried: Callable[[int], TriedStep], *, say: Callable[[TriedStep], None]
) -> VerdictChange:
    """Find the change between two steps, in either order. `say` is called with each tried step.

    With several cells, the result is the first step at which any cell differs from the earlier end,
    provided that no cell changes back. Raises UserError if the ends do not differ.
    """
    check_ends(good, bad)

    def taken(number: int) -> TriedStep:
        step = tried(number)
        say(step)
        return step

    start, end = (_end(taken(number)) for number in sorted((good, bad)))
    if not end.changed(start):
        raise UserError(
            f"steps {start.number} and {end.number} give the same results: no change to find",
            hint="choose other cells with -k, or other ends with --good and --bad",
        )
    before, after = start, end
    skipped: dict[int, TriedStep] = {}
    while number := _middle(before.number, after.number, skipped):
        step = taken(number)
        if step.why:
            skipped[number] = step
        elif step.changed(start):
            after = step
        else:
            before = step
    between = (skipped[one] for one in sorted(skipped) if before.number < one < after.number)
    return VerdictChange(before, after, tuple(between))


def _end(step: TriedStep) -> TriedStep:
    if step.why:
        raise UserError(
            f"step {step.number} is an end of the search and has no results: {step.why}",
            hint="name another step with --good or --bad",
        )
    return step


def _middle(low: int, high: int, skipped: Iterable[int]) -> int:
    """Return the step nearest to the middle that was not skipped; 0 if none is left."""
    left = [number for number in range(low + 1, high) if number not in skipped]
    return min(left, key=lambda number: (abs(2 * number - low - high), number), default=0)


@dataclass(frozen=True)
class Trials:
    """Tries steps: builds their kernels, runs their cells, and keeps the results in the cache."""

    steps: Steps
    corpus: Corpus
    cells: Sequence[Cell]
    jobs: int
    progress: Callable[[str], None]
    files: Sequence[Path] = ()
    """The user's files of attacks and variants."""

    def __call__(self, number: int) -> TriedStep:
        """Try a step. Raises UserError for an error that every other step would have, too."""
        variants = variants_needed(self.corpus, self.cells)
        note = self._note(self.steps.key(number, variants))
        known = read_note(note, dict[str, ResultLine]) or {}
        missing = [cell for cell in self.cells if cell.id not in known]
        if missing:
            try:
                lab = self.steps.lab(number, variants, self._telling(number))
            except DoesNotBuild as error:
                return TriedStep(number, why=f"it does not build: {error}")
            found = self._run(lab, missing, number)
            known |= {
                cell.id: one for cell, one in found.items() if one.verdict is not Verdict.ERROR
            }
            write_note(note, known)
            for cell, one in found.items():
                if one.verdict is Verdict.ERROR:
                    return TriedStep(number, why=f"{cell.id} ended in an error: {one.detail}")
        return TriedStep(number, {cell: known[cell.id] for cell in self.cells})

    def _run(self, lab: CellRunner, cells: Sequence[Cell], number: int) -> dict[Cell, ResultLine]:
        needed = closure(self.corpus, cells)
        outcomes: dict[Cell, Outcome] = {}
        pace = Pace(len(needed))
        pool = Pool(needed, corpus=self.corpus, lab=lab, jobs=self.jobs)
        try:
            for event in pool.ended():
                outcomes[event.cell] = event.outcome
                self._telling(number)(f"cells {pace.at(len(outcomes))}")
        except BaseException:
            pool.abandon()
            raise
        return {cell: line_of(conclude(self.corpus, cell, outcomes)) for cell in cells}

    def _telling(self, number: int) -> Callable[[str], None]:
        return lambda said: self.progress(f"step {number}: {said}")

    def _note(self, key: str) -> Path:
        """Return the file for a step's results, whose name hashes their inputs."""
        digest = hashlib.sha256(f"{key} {self._asking}".encode())
        return BISECT.path() / f"{digest.hexdigest()[:32]}.json"

    @cached_property
    def _asking(self) -> str:
        """A hash of the harness, the guest's programs, and what the user brings."""
        ours = [*PACKAGE.rglob("*.py"), *GUEST_IMAGES.rglob("*.[ch]")]
        digest = hashlib.sha256()
        for path in (*sorted(ours), *self.files):
            content = path.read_bytes()
            digest.update(f"{path.name} {len(content)}\n".encode() + content)
        digest.update(repr(sorted({one.origin for one in self.corpus.scenarios.values()})).encode())
        return digest.hexdigest()
