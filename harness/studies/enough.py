# SPDX-License-Identifier: GPL-2.0-only
"""The smallest sets of defences that are enough for a goal, found by runs.

A set is enough if no attack takes from the handler what it does not take from a kernel thread or
from the handler with every defence on. An attack that wins on a set says which defences can hold
it: defences are added to the set for as long as the attack still wins, and at least one of those
that are then left out must be on (a *clause*). The next set to try is the smallest that meets all
clauses. When no attack wins on it, it is enough, and no smaller set is.

All of this assumes that fewer defences never hold more attacks. So the first set that is found is
confirmed: every attack of the corpus is made on it, and for each of its defences an attack is shown
that wins without it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

from harness.judge.parity import REFERENCE
from harness.model.verdict import A_STEP
from harness.results.defence_summary import Enough
from harness.scenarios import REFERENCES
from harness.studies.defence_sets import ALL, name_of
from harness.studies.defences import DEFENCES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from harness.studies.defence_sets import DefenceSets, Loss

GOALS: Mapping[str, frozenset[str]] = {
    "integrity": frozenset({"integrity"}),
    "availability": frozenset({"availability"}),
    "all": frozenset({"integrity", "availability", "confidentiality", A_STEP}),
}
"""What must not be lost, by the name of the goal."""

MOST_SETS = 8
"""The most minimal sets that are searched for: each takes every decisive attack."""


@dataclass(frozen=True)
class Clause:
    """At least one of these defences must be on, or else the attack wins."""

    defences: frozenset[str]
    attack: str


@dataclass
class Found:
    """What a search has found."""

    allowed: dict[str, frozenset[str]] = field(default_factory=dict)
    """What each attack takes from a kernel thread, or with every defence on, of the goal."""
    decisive: list[str] = field(default_factory=list)
    """The attacks that take more without any defence than they may."""
    clauses: list[Clause] = field(default_factory=list)
    sets: list[frozenset[str]] = field(default_factory=list)
    """The minimal sets, the smallest first."""
    is_all: bool = False
    needs: dict[str, str] = field(default_factory=dict)
    """For each defence of the first set, an attack that wins on the set without it."""
    beyond: list[str] = field(default_factory=list)
    """Attacks that win on the first set although no defence holds them when none is on."""
    confirmed: bool = False


class Search:
    """A search for the smallest sets. Raises UserError, and goes on where it stopped if repeated.

    `likely` has, for a defence, attacks that probably win without it: these are made first.
    """

    def __init__(
        self,
        sets: DefenceSets,
        goal: str,
        *,
        likely: Mapping[str, Sequence[str]] | None = None,
        say: Callable[[str], None],
    ) -> None:
        """Run nothing yet."""
        self._sets, self._goal, self._say = sets, GOALS[goal], say
        self._likely = likely or {}
        self.found = Found()

    def run(self) -> Found:
        """Search, and confirm what is found."""
        self._find_decisive()
        self._find_needed()
        self._find_sets()
        self._confirm()
        return self.found

    def _find_decisive(self) -> None:
        """Find the attacks that win without any defence, and not on what they are compared with."""
        attacks = [name for name in self._sets.corpus.scenarios if name not in REFERENCES]
        lost = self._taken(frozenset(), attacks)
        self._allow([name for name, taken in lost.items() if taken])
        found = self.found
        found.decisive = [n for n, taken in lost.items() if taken - found.allowed.get(n, taken)]
        self._say(
            f"{len(attacks)} attacks: {sum(map(bool, lost.values()))} win without any defence, "
            f"{len(found.decisive)} of them decide"
        )

    def _allow(self, names: Sequence[str]) -> None:
        """Find what attacks take from a kernel thread, and from the whole isolation."""
        theirs = self._taken(frozenset(), names, variant=REFERENCE)
        ours = self._taken(ALL, names)
        self.found.allowed |= {name: theirs[name] | ours[name] for name in names}

    def _taken(
        self, on: frozenset[str], names: Sequence[str], **variant: str
    ) -> dict[str, frozenset[str]]:
        """Return what attacks take of the goal. Without a conclusion, that is nothing."""
        found = self._sets.losses(on, names, **variant) if names else ()
        return {name: loss.taken & self._goal for name, loss in found}

    def _wins(self, name: str, loss: Loss) -> bool:
        """Whether an attack takes more than it may. Without a conclusion, it is not held."""
        return bool(loss.error or (loss.taken & self._goal) - self.found.allowed[name])

    def _find_needed(self) -> None:
        """Leave out each defence alone: one without which an attack wins is in every set."""
        for defence in DEFENCES:
            without = ALL - {defence}
            attack = self._sets.first(without, self._in_order(defence), self._wins)
            if attack is not None:
                self.found.clauses.append(Clause(frozenset({defence}), attack))
            self._say(f"{defence}: " + (f"{attack} wins without it" if attack else "not needed"))

    def _in_order(self, *defences: str) -> list[str]:
        """Return the decisive attacks: the likely ones first, then those not won before."""
        won = {clause.attack for clause in self.found.clauses}
        likely = {name for one in defences for name in self._likely.get(one, ())}
        return sorted(self.found.decisive, key=lambda name: (name not in likely, name in won))

    def _find_sets(self) -> None:
        """Try the smallest set that meets all clauses, until there is no other."""
        while len(self.found.sets) < MOST_SETS:
            candidate = next(self._candidates(), None)
            if candidate is None:
                self.found.is_all = True
                return
            off = [name for name in DEFENCES if name not in candidate]
            attack = self._sets.first(candidate, self._in_order(*off), self._wins)
            if attack is None:
                self.found.sets.append(candidate)
                self._say(f"enough: {' '.join(in_order(candidate))}")
            else:
                self.found.clauses.append(self._clause(candidate, attack))

    def _candidates(self) -> Iterator[frozenset[str]]:
        """Yield sets that meet all clauses, and contain none that is enough, by their size."""
        clauses = [clause.defences for clause in self.found.clauses]
        needed = frozenset(name for one in clauses if len(one) == 1 for name in one)
        free = [name for name in DEFENCES if any(name in c for c in clauses) and name not in needed]
        for size in range(len(free) + 1):
            for chosen in combinations(free, size):
                one = needed | set(chosen)
                if all(one & c for c in clauses) and not any(s <= one for s in self.found.sets):
                    yield one

    def _clause(self, on: frozenset[str], attack: str) -> Clause:
        """Add defences for as long as the attack still wins; the others can hold it."""
        for defence in DEFENCES:
            more = on | {defence}
            if more != on and more != ALL and self._sets.first(more, [attack], self._wins):
                on = more
        clause = Clause(ALL - on, attack)
        self._say(f"{attack} wins unless one is on: {' '.join(in_order(clause.defences))}")
        return clause

    def _confirm(self) -> None:
        """Make every attack on the first set, and show that no defence of it can be left out."""
        found = self.found
        if not found.sets:
            return
        self._shrink()
        first = found.sets[0]
        attacks = [name for name in self._sets.corpus.scenarios if name not in REFERENCES]
        taken = self._taken(first, attacks)
        self._allow([n for n, lost in taken.items() if lost and n not in found.allowed])
        errors = [name for name in self._sets.broken if name.startswith(f"{name_of(first)}: ")]
        found.beyond = [n for n, lost in taken.items() if lost - found.allowed.get(n, lost)]
        found.confirmed = not found.beyond and not errors

    def _shrink(self) -> None:
        """Leave out each defence of the first set. One that no attack needs is dropped from it."""
        found = self.found
        for defence in in_order(found.sets[0]):
            without = found.sets[0] - {defence}
            known = [c.attack for c in found.clauses if not c.defences & without]
            names = [*dict.fromkeys([*known, *self._in_order(defence)])]
            attack = self._sets.first(without, names, self._wins)
            if attack is None:
                self._say(f"{defence} is not needed after all: fewer defences hold more")
                found.sets[0], found.is_all = without, False
            else:
                found.needs[defence] = attack


def in_order(defences: frozenset[str]) -> list[str]:
    """Return the names in the kernel's order."""
    return [name for name in DEFENCES if name in defences]


def told(found: Found) -> Iterator[str]:
    """Yield the lines that say what was found."""
    if not found.sets:
        yield "no set is enough"
        return
    first, *others = (" ".join(in_order(one)) or "no defence" for one in found.sets)
    yield f"enough, {len(found.sets[0])} of {len(DEFENCES)} defences: {first}"
    for other in others:
        yield f"enough as well: {other}"
    if found.is_all:
        yield "no other set is enough, unless fewer defences hold more attacks"
    else:
        yield "a minimal set: no defence of it can be left out"
    for defence, attack in found.needs.items():
        yield f"without {defence}: {attack} wins"
    for name in found.beyond:
        yield f"NOT CONFIRMED: {name} wins on that set, and not without any defence"
    if found.confirmed:
        yield "confirmed: a run of every attack on that set has the same conclusion"


def summed_up(found: Found, sets: DefenceSets, *, image: str) -> Enough:
    """Return what was found, for the file of what is kept."""
    return Enough(
        line=sets.line,
        image=image,
        run=sets.folder.name,
        sets=tuple(tuple(in_order(one)) for one in found.sets),
        is_all=found.is_all,
        needs=found.needs,
        allowed=tuple(name for name, taken in found.allowed.items() if taken),
        decisive=len(found.decisive),
        cells=sets.count(),
        confirmed=found.confirmed,
    )
