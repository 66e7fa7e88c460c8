# SPDX-License-Identifier: GPL-2.0-only
"""The count of the attack surface as text: a line per route, and the open entries."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.surface.review import EntryState, Judged, judge, load_review
from harness.surface.routes import NODES, ROUTES, Route

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from harness.surface.facts import Facts
    from harness.surface.probe import Probed

REVIEWED_LINE = "6.12"
"""The kernel line of the reviewed lists. Every name in them must be there."""


@dataclass(frozen=True)
class Counted:
    """One route's entries with their states; `stale` are reviewed names that are gone."""

    route: Route
    entries: tuple[Judged, ...]
    stale: tuple[str, ...]

    def of(self, state: EntryState) -> list[Judged]:
        """Return the entries that have this state."""
        return [entry for entry in self.entries if entry.state is state]


def count(facts: Facts, scenarios: Mapping[str, Collection[str]]) -> list[Counted]:
    """Judge all entries by the reviewed lists. Raises UserError."""
    counted = []
    for route in ROUTES:
        if route.name not in facts.routes:
            continue
        found, review = facts.routes[route.name], load_review(route.name)
        entries = judge(found, review, scenarios=scenarios, functions=facts.functions)
        stale = review.stale(found) if facts.name == REVIEWED_LINE else []
        counted.append(Counted(route, tuple(entries), tuple(stale)))
    return counted


def is_closed(counted: Collection[Counted]) -> bool:
    """Whether nothing is open and no reviewed name is gone."""
    return not any(one.of(EntryState.OPEN) or one.stale for one in counted)


def report(facts: Facts, counted: Collection[Counted], *, everything: bool) -> str:
    """Return the table, then the open entries, or all entries if `everything`."""
    lines = [f"attack surface of {facts.name}", *_table(counted)]
    for one in counted:
        unexplained = [entry for entry in one.of(EntryState.OPEN) if not entry.row]
        lines += _entries(one.route, one.entries if everything else unexplained)
    lines += _without_scenario(counted)
    known = facts.name == REVIEWED_LINE
    if new := [(one, entry) for one in counted for entry in one.entries if entry.is_new]:
        since = "" if known else f" since {REVIEWED_LINE}, which was reviewed"
        lines += ["", f"{len(new)} new{since}: each needs a scenario, or a line in reviewed/"]
    for one in counted:
        for name in one.stale:
            lines.append(f"stale: reviewed/{one.route.name}.toml has {name}, the kernel does not")
    skipped = [route for route in ROUTES if route.name not in facts.routes]
    lines += [f"not counted here: {route.title}" for route in skipped]
    return "\n".join(lines)


def _table(counted: Collection[Counted]) -> Iterator[str]:
    yield f"{'route':<9}{'entries':>8}{'covered':>9}{'noise':>7}{'open':>6}  content"
    total: Counter[EntryState] = Counter()
    for one in counted:
        here = Counter(entry.state for entry in one.entries)
        total += here
        yield _row(one.route.name, here) + f"  {one.route.title}"
    yield _row("all", total)


def _row(name: str, counts: Counter[EntryState]) -> str:
    covered, noise, opened = (counts[state] for state in EntryState)
    return f"{name:<9}{counts.total():>8}{covered:>9}{noise:>7}{opened:>6}"


def _entries(route: Route, entries: Collection[Judged]) -> Iterator[str]:
    if entries:
        yield ""
        yield f"{route.name}:"
    for entry in entries:
        yield f"  {entry.state:<8} {entry.name}  ({entry.why})"
        if entry.is_new:
            yield f"           {entry.where[:160]}"


def _without_scenario(counted: Collection[Counted]) -> Iterator[str]:
    """Yield a line for each row of the attack surface that has entries and no scenario."""
    waiting = Counter(e.row for one in counted for e in one.of(EntryState.OPEN) if e.row)
    for row, entries in sorted(waiting.items()):
        yield f"no scenario is on the row {row}, so {entries} entries are open"


def probe_report(line: str, probed: Probed, judged: Collection[Judged]) -> str:
    """Return the table of the files whose writing changed something, and what the review says.

    A file that the review calls noise is open if its writing changed something: one is wrong.
    """
    took = f"{probed.written} files took a write, {probed.refused} refused"
    lines = [f"probe of {line}: {took}, {len(probed.moved)} moved something"]
    for moved, entry in zip(probed.moved, judged, strict=True):
        lines += [f"  {entry.state:<8} {moved.node}: {moved.what}", f"           {entry.why}"]
    return "\n".join(lines)


def judge_moved(probed: Probed, scenarios: Mapping[str, Collection[str]]) -> list[Judged]:
    """Judge the files that changed something by the reviewed list: only a scenario covers them."""
    found = {moved.node: moved.what for moved in probed.moved}
    entries = judge(found, load_review(NODES), scenarios=scenarios, functions=())
    return [
        entry
        if entry.state is EntryState.COVERED or entry.is_new or entry.row
        else replace(entry, why="it was reviewed as noise, and it moves something")
        for entry in entries
    ]
