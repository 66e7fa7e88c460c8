# SPDX-License-Identifier: GPL-2.0-only
"""From a batch by which something was lost to the smallest program that takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypedDict, Unpack

from harness.campaign.finding import CONFIRMATIONS, Finding
from harness.campaign.program import (
    CALLS_MAX,
    Number,
    Program,
    Room,
    contains,
    joined,
    ordered,
    ways,
    with_argument,
)
from harness.campaign.shrink import fewest, shortest_prefix
from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from harness.campaign.judged import Judged


class How(TypedDict, total=False):
    """How programs are made."""

    fresh: bool
    """After a boot, in place of from the saved state."""
    known_pcs: Collection[int]
    """The addresses of kernel code (lower 32 bits) that are not reported again."""


class Judge(Protocol):
    """Makes programs on a machine of a variant (judged.BatchJudge)."""

    def judged(self, variant: str, programs: Sequence[Program], **how: Unpack[How]) -> Judged:
        """Return what the programs took."""


TRIES = 40
"""The most machines for one step of making a program smaller."""
MOST = 4
"""The most findings of one batch."""
_SIMPLE = (Number(0),)


@dataclass(frozen=True)
class Investigator:
    """Investigates on machines of `variant`; `reference` is the one to compare with."""

    judge: Judge
    variant: str
    reference: str
    enough: int | None = None
    """How many findings that count end the investigation; None for no such limit."""

    def findings(
        self, batch: Sequence[Program], known: Sequence[Sequence[str]]
    ) -> tuple[list[Finding], int]:
        """Return the findings of a batch that lost, and how many losses did not come again.

        `known` are the patterns of findings. Programs with one of them are left out first.
        """
        found: list[Finding] = []
        for _ in range(MOST):
            if self.enough is not None and sum(one.counts for one in found) >= self.enough:
                break
            patterns = [*known, *(finding.pattern for finding in found)]
            rest = without_known(batch, patterns)
            seen = self.judge.judged(self.variant, rest) if rest else None
            if seen is None or not seen.lost:
                return found, int(not found and len(rest) == len(batch))
            program = self._program(rest, seen.lost)
            finding = self._confirmed(program, seen.lost) if program else None
            if finding is None:
                return found, 1
            found.append(finding)
        return found, 0

    def _loses(self, programs: Sequence[Program], lost: frozenset[str]) -> bool:
        return bool(programs and self.judge.judged(self.variant, programs).lost & lost)

    def _program(self, batch: Sequence[Program], lost: frozenset[str]) -> Program | None:
        """Return one small program that loses; None if no single program does."""

        def loses(programs: Sequence[Program]) -> bool:
            return self._loses(programs, lost)

        prefix = shortest_prefix(batch, loses)
        whole = prefix[-1]
        if not loses([whole]):
            whole = joined(fewest(prefix, loses, tries=TRIES))
            if len(whole.calls) > CALLS_MAX or not loses([whole]):
                return None
        return self._simplest(self._shortest(whole, lost), lost)

    def _shortest(self, program: Program, lost: frozenset[str]) -> Program:
        def loses(places: Sequence[int]) -> bool:
            return self._loses([ordered(program, places)], lost)

        short = ordered(program, fewest(range(len(program.calls)), loses, tries=TRIES))
        for simpler in (Program(short.calls), Program(short.calls, stays=True)):
            is_simpler = simpler.stays < short.stays or simpler.repeats < short.repeats
            if is_simpler and self._loses([simpler], lost):
                return simpler
        return short

    def _simplest(self, program: Program, lost: frozenset[str]) -> Program:
        """Return the program with zeros wherever an argument does not matter."""
        for at, call in enumerate(program.calls):
            for place, argument in enumerate(call.args):
                if argument in _SIMPLE or isinstance(argument, Room):
                    continue
                simpler = with_argument(program, at, place, Number(0))
                if self._loses([simpler], lost):
                    program = simpler
        return program

    def _on_reference(self, program: Program) -> Judged:
        """Make the program on the reference variant, more than once if there is no conclusion."""
        for _ in range(CONFIRMATIONS):
            judged = self.judge.judged(self.reference, [program])
            if judged.verdict is not Verdict.ERROR or judged.lost:
                break
        return judged

    def _lost_again(self, program: Program, lost: frozenset[str]) -> list[Judged]:
        """Make the program on machines that have just booted; return what those that lost lost."""
        made = [
            self.judge.judged(self.variant, [program], fresh=True) for _ in range(CONFIRMATIONS)
        ]
        return [one for one in made if one.lost & lost]

    def _confirmed(self, program: Program, lost: frozenset[str]) -> Finding | None:
        """Return the finding, made again on machines that have just booted; None if none lost.

        The process of a program may end, and its descriptors be closed, before the witness looks.
        So if only some of the machines lose, the program is made again as one that stays, and as
        one that repeats.
        """
        again = self._lost_again(program, lost)
        for longer in (Program(program.calls, stays=True), Program(program.calls, True, True)):
            is_longer = longer.stays > program.stays or longer.repeats > program.repeats
            if program.inside or len(again) == CONFIRMATIONS or not is_longer:
                continue
            if len(more := self._lost_again(longer, lost)) > len(again):
                program, again = longer, more
        if not again:
            return None
        reference = self._on_reference(program)
        first = again[0]
        each = frozenset.intersection(*(one.lost for one in again))
        early = frozenset.intersection(*(one.early or frozenset() for one in again))
        return Finding(
            program,
            first.verdict,
            first.detail,
            first.what,
            tuple(sorted(each)),
            confirmed=len(again),
            reference_verdict=reference.verdict,
            reference_lost=tuple(sorted(reference.lost)),
            early=tuple(sorted(early)),
            reference_early=None if reference.early is None else tuple(sorted(reference.early)),
            hooks=tuple(sorted(first.hooks)),
            log=first.log,
        )


def without_known(programs: Sequence[Program], patterns: Sequence[Sequence[str]]) -> list[Program]:
    """Return the programs without those that would complete the calls of a finding, in order."""
    left: list[Program] = []
    made: list[str] = []
    for program in programs:
        if not is_known(made, program, patterns):
            left.append(program)
            made += ways(program)
    return left


def is_known(made: Sequence[str], program: Program, patterns: Sequence[Sequence[str]]) -> bool:
    """Whether the program completes the calls of a finding, after the ways that were made."""
    now = (*made, *ways(program))
    return any(contains(now, pattern) for pattern in patterns)
