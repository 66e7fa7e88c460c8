# SPDX-License-Identifier: GPL-2.0-only
"""The search: batches made one after the other on several machines, from what earlier ones taught.

Batch N is made from the seed, from N, and from what the batches up to N - `LAG` taught, whichever
of them ended first. So the same seed makes the same batches, however many machines there are.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Unpack

from harness.campaign.investigate import Investigator, without_known
from harness.campaign.kept import BatchEnd, Kept
from harness.campaign.mutate import mutated
from harness.campaign.novelty import features, known_pcs, pc_features
from harness.campaign.program import is_inside
from harness.campaign.shrink import shortest_prefix
from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.campaign.finding import Finding
    from harness.campaign.generate import Generator
    from harness.campaign.inside import Inside
    from harness.campaign.investigate import How, Judge
    from harness.campaign.judged import Judged
    from harness.campaign.program import Program

Pattern = tuple[str, ...]
"""Ways of calls (program.way), in order."""

LAG = 8
"""How many batches may be under way at a time."""
_FRESH = 0.5
_INSIDE_EVERY, _INSIDE_SIZE = 8, 8
"""Each eighth batch has eight programs that the handler runs itself. Most end the handler."""


class Stopped(Exception):
    """The user has stopped the search. A batch that is under way has no end."""


@dataclass(frozen=True)
class Limits:
    """When the search ends by itself."""

    seconds: float
    batches: int | None = None
    findings: int | None = None
    """So many findings that count."""


@dataclass
class Learnt:
    """What the batches taught, merged in the order of their numbers."""

    merged: int = 0
    """Batches that are merged: all with a lower number."""
    kept: list[Program] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    """The features of all programs that are kept."""
    pcs: list[int] = field(default_factory=list)
    """The addresses of kernel code among these features, in the order in which they were merged."""
    marks: list[tuple[int, int, int]] = field(default_factory=lambda: [(0, 0, 0)])
    """How many programs, findings and addresses there were when so many batches were merged."""

    def before(self, number: int) -> tuple[int, int, int]:
        """Return how many there were of which batch `number` is made."""
        return self.marks[max(0, number + 1 - LAG)]

    def merge(self, end: BatchEnd) -> list[Finding]:
        """Add the next batch; return its findings that are new."""
        for one in end.kept:
            if unseen := [name for name in one.features if name not in self.seen]:
                self.seen.update(unseen)
                self.pcs += known_pcs(unseen)
                self.kept.append(one.program)
        keys = {finding.key for finding in self.findings}
        new = [finding for finding in end.findings if finding.key not in keys]
        self.findings += new
        self.merged += 1
        self.marks.append((len(self.kept), len(self.findings), len(self.pcs)))
        return new


@dataclass(frozen=True)
class Programs:
    """Makes the programs of each batch."""

    generator: Generator
    seed: str
    size: int
    seeds: tuple[Program, ...] = ()
    known: tuple[Pattern, ...] = ()
    """The ways of known holes, which no program takes."""
    inside: Inside | None = None
    """Makes programs that the handler runs itself; None if the variant does not confine it."""

    def batch(self, number: int, learnt: Learnt) -> list[Program]:
        """Return the programs of a batch. What it is made from must be merged."""
        random = Random(f"{self.seed}:{number}")  # noqa: S311 - it is to be repeated
        kept, findings, _ = learnt.before(number)
        sources = [*self.seeds, *learnt.kept[:kept]]
        patterns = [*self.known, *(finding.pattern for finding in learnt.findings[:findings])]
        made: list[Program] = []
        if self.inside and number % _INSIDE_EVERY == _INSIDE_EVERY - 1:
            known = [one for one in sources if one.inside]
            new = (self._inside_program(random, self.inside, known) for _ in range(_INSIDE_SIZE))
            made = without_known(list(new), patterns)
        if made:
            return made
        outside = [one for one in sources if not one.inside]
        for _ in range(self.size):
            made = without_known([*made, self._program(random, outside)], patterns)
        return made

    def _inside_program(
        self, random: Random, inside: Inside, sources: Sequence[Program]
    ) -> Program:
        if sources and random.random() > _FRESH:
            return random.choice(sources)
        return inside.program(random)

    def _program(self, random: Random, sources: Sequence[Program]) -> Program:
        if sources and random.random() > _FRESH:
            return mutated(self.generator, random, sources)
        return self.generator.program(random)


class Search:
    """One campaign's search. `told` is called with each batch's end, under a lock, in any order."""

    def __init__(
        self,
        judge: Judge,
        programs: Programs,
        *,
        variant: str,
        reference: str,
        ended: Sequence[BatchEnd],
        told: Callable[[BatchEnd], None],
        found: Callable[[int, Finding], None],
    ) -> None:
        """Go on after the batches that have `ended`. `found` gets the number of a new finding."""
        self._judge, self._programs = judge, programs
        self._variant, self._reference = variant, reference
        self._told, self._found = told, found
        self.learnt = Learnt()
        self._waiting: dict[int, BatchEnd] = {}
        self._changed = threading.Condition()
        self._investigating = threading.Lock()
        self._known = [finding.pattern for end in ended for finding in end.findings]
        self._next = 0
        self._stop = threading.Event()
        self.error: BaseException | None = None
        """What a worker died of."""
        self._limits = Limits(0)
        for end in ended:
            self._waiting[end.number] = end
        self._merge()

    def stop(self) -> None:
        """Give up what is under way, and start nothing more. A signal handler may call this."""
        self._stop.set()

    @property
    def stopped(self) -> bool:
        """Whether the search was stopped."""
        return self._stop.is_set()

    def run(self, limits: Limits, *, jobs: int, beat: Callable[[], None]) -> None:
        """Search until a limit is met, or the search is stopped; `beat` is called meanwhile.

        Raises what a worker died of.
        """
        self._limits = limits
        self._end = time.monotonic() + limits.seconds
        workers = [threading.Thread(target=self._work, daemon=True) for _ in range(jobs)]
        for worker in workers:
            worker.start()
        while any(worker.is_alive() for worker in workers):
            beat()
            workers[0].join(0.5) if workers[0].is_alive() else workers[-1].join(0.5)
        if self.error is not None:
            raise self.error

    def _work(self) -> None:
        try:
            while (number := self._take()) is not None:
                self._ended(self._made(number))
        except Stopped:
            pass
        except BaseException as error:
            self.error = self.error or error
            self.stop()
        finally:
            with self._changed:
                self._changed.notify_all()

    def _take(self) -> int | None:
        """Return the number of the next batch once it can be made; None if there is to be none."""
        with self._changed:
            while True:
                while self._next in self._waiting or self._next < self.learnt.merged:
                    self._next += 1
                if self._is_over():
                    return None
                if self._next < self.learnt.merged + LAG:
                    self._next += 1
                    return self._next - 1
                self._changed.wait(0.5)

    def _is_over(self) -> bool:
        limits = self._limits
        counted = sum(finding.counts for finding in self.learnt.findings)
        return (
            self._stop.is_set()
            or time.monotonic() > self._end
            or (limits.batches is not None and self._next >= limits.batches)
            or (limits.findings is not None and counted >= limits.findings)
        )

    def _made(self, number: int) -> BatchEnd:
        """Make a batch, and investigate what it did."""
        start = time.monotonic()
        with self._changed:
            batch = self._programs.batch(number, self.learnt)
            seen = frozenset(self.learnt.seen)
            pcs = self.learnt.pcs[: self.learnt.before(number)[2]]
        judged = self.judged(self._variant, batch, known_pcs=pcs)
        kept: list[Kept] = []
        findings: list[Finding] = []
        lost_once = 0
        if judged.lost:
            findings, lost_once = self._investigated(batch)
        elif judged.verdict is Verdict.HELD and not is_inside(batch):
            kept = self._new(batch, judged, seen)
        return BatchEnd(
            number,
            len(batch),
            str(judged.verdict),
            judged.detail,
            round(time.monotonic() - start, 2),
            tuple(kept),
            tuple(findings),
            lost_once,
        )

    def judged(self, variant: str, programs: Sequence[Program], **how: Unpack[How]) -> Judged:
        """Judge programs as the judge does. Raises Stopped if the search was stopped."""
        if self._stop.is_set():
            raise Stopped
        judged = self._judge.judged(variant, programs, **how)
        if self._stop.is_set():  # the machine may have been killed
            raise Stopped
        return judged

    def _investigated(self, batch: Sequence[Program]) -> tuple[list[Finding], int]:
        """Investigate, one batch at a time: two would find the same."""
        with self._investigating:
            enough = self._limits.findings
            investigator = Investigator(self, self._variant, self._reference, enough)
            findings, lost_once = investigator.findings(batch, self._known)
            self._known += [finding.pattern for finding in findings]
            return findings, lost_once

    def _new(self, batch: Sequence[Program], judged: Judged, seen: frozenset[str]) -> list[Kept]:
        """Return the programs that did something new."""
        kept = []
        known = set(seen)
        for program, results, pcs in zip(batch, judged.results, judged.pcs, strict=False):
            if new := (features(program, results) | pc_features(pcs)) - known:
                known |= new
                kept.append(Kept(program, tuple(sorted(new))))
        hooks = tuple(sorted(judged.hooks - known))
        if hooks and not kept:
            kept.append(Kept(self._first_at(hooks[0], batch), hooks[:1]))
        elif hooks:  # one of them is the cause
            kept[0] = Kept(kept[0].program, (*kept[0].features, *hooks))
        return kept

    def _first_at(self, hook: str, batch: Sequence[Program]) -> Program:
        """Return the program by which a hook first saw the handler."""

        def sees(programs: Sequence[Program]) -> bool:
            return hook in self.judged(self._variant, programs).hooks

        return shortest_prefix(batch, sees)[-1]

    def _ended(self, end: BatchEnd) -> None:
        with self._changed:
            self._told(end)
            self._waiting[end.number] = end
            self._merge()
            self._changed.notify_all()

    def _merge(self) -> None:
        while (end := self._waiting.pop(self.learnt.merged, None)) is not None:
            before = len(self.learnt.findings)
            for number, finding in enumerate(self.learnt.merge(end), before + 1):
                self._found(number, finding)
