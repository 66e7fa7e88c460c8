# SPDX-License-Identifier: GPL-2.0-only
"""The price of each defence against the attacks that it holds; and the sets that are enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.findings.document import Picture, Section, Table, Text, code
from harness.findings.price import FILTER, SHARED, Price
from harness.report.text import plural, short_hash

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from harness.findings.document import Block
    from harness.findings.evidence import Evidence
    from harness.results.defence_summary import Alone, DefenceSummary, Enough, RoundTrips

GOALS = {
    "integrity": "an attack takes integrity only if it takes it from `kthread` or `isolated` too",
    "availability": "an attack takes availability only if it takes it from `kthread` or "
    "`isolated` too",
    "all": "an attack takes an axis or a step only if it takes it from `kthread` or `isolated` too",
}
"""What a set of defences has to reach."""

TITLE = "Attacks held, at most, for the lines that are added to the kernel's own files"
"""What the picture of the prices shows."""


@dataclass(frozen=True)
class Point:
    """A defence, or several: lines added to the kernel's own files, and the attacks held."""

    name: str
    lines: int
    attacks: int


def points(alone: Alone, prices: Mapping[str, Price]) -> list[Point]:
    """Return a point for each defence: the attacks that it holds alone."""
    return [Point(name, prices[name].lines, len(won)) for name, won in alone.won.items()]


def front(found: list[Point]) -> list[Point]:
    """Return the points that no other equals in attacks for fewer lines, the cheapest first."""
    best: list[Point] = []
    for point in sorted(found, key=lambda one: (one.lines, -one.attacks)):
        if point.attacks > max((one.attacks for one in best), default=0):
            best.append(point)
    return best


def together(alone: Alone, prices: Mapping[str, Price]) -> list[Point]:
    """Return what defences reach one after the other, most attacks for a line first.

    An attack counts once all defences are in without which it wins. Others may be needed as well,
    so that the number is an upper bound.
    """
    needed: dict[str, set[str]] = {}
    for defence, won in alone.won.items():
        for attack in won:
            needed.setdefault(attack, set()).add(defence)

    def held(by: set[str]) -> int:
        return sum(defences <= by for defences in needed.values())

    taken: set[str] = set()
    lines, found = 0, []
    left = [name for name, won in alone.won.items() if won]
    while left:
        now = held(taken)
        gain = {name: held(taken | {name}) - now for name in left}
        best = max(left, key=lambda name: (gain[name] / (prices[name].lines or 0.5), gain[name]))
        left.remove(best)
        taken.add(best)
        lines += prices[best].lines
        found.append(Point(best, lines, held(taken)))
    return found


def price_section(evidence: Evidence, prices: Mapping[str, Price], picture: str) -> Section:
    """Return the section on what each defence costs and holds, with a picture if it is named."""
    blocks = list(_price(evidence.defences, prices))
    if picture and evidence.defences.alone:
        blocks.append(Picture(picture, TITLE))
    return Section("What each defence costs", blocks)


def price_rows(defences: DefenceSummary, prices: Mapping[str, Price]) -> list[list[str]]:
    """Return what each defence costs and holds, after a head."""
    won = defences.alone.won if defences.alone else {}
    trips = defences.round_trips
    return [
        ["defence", "lines added", "files", "hot paths", "round trip", "attacks it alone holds"],
        *(
            [
                code(name),
                str(price.lines),
                str(len(price.files)),
                ", ".join(price.paths) or "none",
                f"{trips.cost(name):+.1%}" if trips and name in trips.without else "not measured",
                str(len(won[name])) if name in won else "not measured",
            ]
            for name, price in prices.items()
            if name not in (SHARED, FILTER)
        ),
    ]


def step_rows(alone: Alone, prices: Mapping[str, Price]) -> list[list[str]]:
    """Return what the defences cost and hold one after the other, after a head."""
    return [
        ["added", "lines in all", "attacks held, at most"],
        *([code(one.name), str(one.lines), str(one.attacks)] for one in together(alone, prices)),
    ]


def trips_told(trips: RoundTrips) -> str:
    """Return what the numbers of the round trips are, in a few sentences."""
    return (
        "The column of round trips has the part by which the defence changes the instructions of a "
        f"round trip of 4 KiB. The median of {trips.trips} trips has {trips.whole[0]} instructions "
        f"with all defences (line {trips.line}, kernel image {short_hash(trips.image)}). "
        f"{len(trips.whole)} machines with all defences differ by up to {trips.spread:.1%}, so "
        "that a smaller change may be none. Every machine runs the same kernel, so each count "
        "includes the test whether the defence is on. A count includes no effect of caches or of "
        "branch prediction, and does not depend on the load of the host."
    )


def _price(defences: DefenceSummary, prices: Mapping[str, Price]) -> Iterator[Block]:
    yield Text(
        "The price is counted in the patches for 6.12: lines that are added to files that the "
        "kernel has already, and those files. New files are not counted: they leave all other "
        "code as it is. "
        "All defences need the shared part, the mark from the fork on, the module's registration "
        f"and the confinement: {_said(prices[SHARED])}. A seccomp filter in place of strict "
        f"seccomp adds {_said(prices[FILTER])}."
    )
    yield Table(price_rows(defences, prices))
    if defences.round_trips:
        yield Text(trips_told(defences.round_trips))
    alone = defences.alone
    if alone is None:
        return
    best = ", ".join(
        f"{code(one.name)} ({plural(one.lines, 'line')}, {plural(one.attacks, 'attack')})"
        for one in front(points(alone, prices))
    )
    yield Text(
        "For each of these defences, no other defence alone holds as many attacks for fewer lines: "
        f"{best}."
    )
    yield Text(
        "One defence after the other, most attacks for a line first. An attack counts once all "
        "defences are in without which it wins. Other defences may be needed as well, so each "
        "number is an upper bound. Only a run of the set measures it:"
    )
    yield Table(step_rows(alone, prices))
    yield Text(
        f"The attacks are counted from kernel image {short_hash(alone.image)}, line {alone.line}: "
        f"{plural(len(alone.attacks), 'attack')} that were made without "
        "each defence in turn ([Defences](../reference/defences.md)). The round trip of the whole "
        "isolation is measured in [What isolation costs](../explanation/costs.md)."
    )


def summed(one: Sequence[str]) -> str:
    """Return a set of defences as a sum."""
    return " + ".join(map(code, one)) or "no defence"


def _said(price: Price) -> str:
    return f"{plural(price.lines, 'line')} in {plural(len(price.files), 'file')}"


def enough_section(evidence: Evidence) -> Section:
    """Return the section on the smallest sets of defences that are enough."""
    found = evidence.defences.enough
    blocks: list[Block] = [
        block
        for goal, said in GOALS.items()
        for block in (
            _enough(goal, found[goal], said)
            if goal in found
            else [Text(f"For {code(goal)}: not measured in this run.")]
        )
    ]
    return Section("What would be enough?", blocks)


def _enough(goal: str, found: Enough, said: str) -> list[Block]:
    first = found.sets[0]
    how = (
        "These are all minimal sets, if fewer defences never hold more attacks"
        if found.is_all
        else "A minimal set: no defence of it can be left out. There may be others"
    )
    sets = "; ".join(map(summed, found.sets))
    confirmed = (
        "A run of every attack on the first set came to the same conclusion."
        if found.confirmed
        else "**No run of every attack on it has confirmed it yet.**"
    )
    return [
        Text(f"**{goal.capitalize()}**, that is, {said}: {len(first)} defences. {how}: {sets}."),
        Text(
            f"{confirmed} Attacks that decide: {found.decisive}. Attacks that win on a kernel "
            f"thread or on `isolated`, and so may win: {len(found.allowed)}. Cells that were run: "
            f"{found.cells}, on line {found.line}, kernel image {short_hash(found.image)}, study "
            f"{code(found.run)}."
        ),
        Table(
            [
                ["without", "wins"],
                *([code(name), code(attack)] for name, attack in found.needs.items()),
            ]
        ),
    ]
