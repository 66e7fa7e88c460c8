# SPDX-License-Identifier: GPL-2.0-only
"""The host's recollection of the tally: what it has read once may grow, and never goes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.witness.layout import SECRETS
from harness.witness.tally import WitnessState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.witness.tally import Record, Tally

_COUNTS = ("sent", "right", "wrong", "failed", "starts", "loads")
_ESCAPES = ("asked", "returned", "failed")
_AFTERMATH = (WitnessState.AFTERMATH, WitnessState.DONE)


class Recollection:
    """All reads of one machine's tally, as far as a later one may contradict them."""

    def __init__(self) -> None:
        self.contradictions: list[str] = []
        """What no longer was as read before, in the order of its discovery."""
        self.records: dict[int, Record] = {}
        """The records of all requests seen, by number."""
        self._last: Tally | None = None

    def note(self, tally: Tally) -> None:
        """Compare a tally with the one read before."""
        if self._last is not None:
            found = contradictions(self._last, tally)
            self.contradictions += [new for new in found if new not in self.contradictions]
        self.records.update((record.number, record) for record in tally.records)
        self._last = tally

    def forget(self) -> None:
        """Start anew: the machine has returned to an earlier state, as the scenario declares."""
        self._last = None
        self.contradictions.clear()
        self.records.clear()


def contradictions(was: Tally, now: Tally) -> Iterator[str]:
    """Yield what an earlier tally has and a later one contradicts."""
    before = dict(_growing(was))
    for name, value in _growing(now):
        if value < before.get(name, value):
            yield f"{name} went back from {before[name]} to {value}"
    if lost := was.violations & ~now.violations:
        yield f"the violation {lost.word} vanished"
    if now.slowest < was.slowest and was.state is not WitnessState.PARKED:
        yield "the slowest request became faster"
    kept = {record.number: record for record in now.records}
    if any(kept.get(record.number, record) != record for record in was.records if record.number):
        yield "the record of a request changed"
    if _ended_phases(was) != _ended_phases(now)[: len(_ended_phases(was))] and _goes_on(was, now):
        yield "the counts of a phase of the aftermath changed"
    yield from _of_handlers(was, now)


def _growing(tally: Tally) -> Iterator[tuple[str, int]]:
    """Yield what only grows, with a name for people."""
    for name in ("heartbeat", "generation", "vmforks", "exits", "demoted"):
        yield name, getattr(tally, name)
    for name in _COUNTS:
        yield f"count of {name}", getattr(tally.count, name)
    for name in _ESCAPES:
        yield f"count of escapes {name}", getattr(tally.escape, name)
    for hook in tally.hooks:
        yield f"count of the hook at {hook.function:#x}", hook.on_handler


def _ended_phases(tally: Tally) -> tuple[object, ...]:
    return tally.phases[: tally.phase - (tally.state is WitnessState.AFTERMATH)]


def _goes_on(was: Tally, now: Tally) -> bool:
    """Whether both tallies are of the same aftermath."""
    return was.state in _AFTERMATH and now.state in _AFTERMATH and now.phase >= was.phase


def _of_handlers(was: Tally, now: Tally) -> Iterator[str]:
    """Yield what changed of handlers that both tallies know."""
    if was.generation == now.generation:
        for name in ("pid", "page_table", "chain"):
            if getattr(was, name) != getattr(now, name):
                yield f"the {name.replace('_', ' ')} of handler {now.generation} changed"
    first = max(was.generation, now.generation) - SECRETS + 1
    for generation in range(max(1, first), was.generation + 1):
        if was.secret_sha256(generation) != now.secret_sha256(generation):
            yield f"the secret's hash of handler {generation} changed"
