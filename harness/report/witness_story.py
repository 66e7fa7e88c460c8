# SPDX-License-Identifier: GPL-2.0-only
"""What the witness saw of a cell, as lines: `witness.json` in short."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.report.text import plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COUNTS = ("sent", "right", "wrong", "failed", "starts")
"""The witness's counts of requests, of those answered in each way, and of starts."""
_PARTS = ("before", "attacked", "after")
PHASES = ("before", "during", "aftermath", "after a restart", "after a reload", "between these")
"""All phases of a cell. Each request is in one of them."""
_MILLION = 1_000_000


def witness_lines(witness: Mapping[str, Any]) -> Iterator[str]:
    """Yield the counts before, during and after the attack, and the further findings."""
    if rows := request_counts(witness):
        width = max(map(len, rows))
        yield f"{'requests':<{width}}" + "".join(f"{name:>8}" for name in COUNTS)
        for name, counts in rows.items():
            yield f"{name:<{width}}" + "".join(f"{count:>8}" for count in counts)
    yield from witness_findings(witness)


def request_counts(witness: Mapping[str, Any]) -> dict[str, list[int]]:
    """Return the counts of `COUNTS` by phase. It is empty if the machine was lost."""
    if not witness.keys() >= set(_PARTS):
        return {}
    before, attacked, after = (_counts(witness[part]["count"]) for part in _PARTS)
    aftermath = list(map(_counts, witness["after"]["phases"]))
    during = [late - early for late, early in zip(attacked, before, strict=True)]
    between = [
        late - early - sum(phases)
        for late, early, *phases in zip(after, attacked, *aftermath, strict=True)
    ]
    return dict(zip(PHASES, (before, during, *aftermath, between), strict=True))


def _counts(counts: Mapping[str, int]) -> list[int]:
    return [counts[name] for name in COUNTS]


def witness_findings(witness: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the witness found besides the counts."""
    if "machine" in witness:
        yield f"the machine ended: {witness['machine']}"
    if not witness.keys() >= set(_PARTS):
        return
    before, attacked, after = (witness[name] for name in _PARTS)
    yield f"violations: {', '.join(after['violations']) or 'none'}"
    yield "slowest request since boot: " + ", ".join(
        f"{tally['slowest_ns'] / _MILLION:.1f} ms {when}"
        for when, tally in (("before", before), ("during", attacked), ("after", after))
    )
    yield f"handler: process {before['pid']}, at the end {after['pid']}"
    yield f"exits of handlers: {after['exits'] - before['exits']}"
    reached = witness["reached"]
    yield "arrival: " + (
        "no function can prove it"
        if reached is None
        else f"{plural(reached, 'call')} of the function that proves it"
    )
    if witness["entered"]:
        ways = (f"{way} ({calls} times)" for way, calls in witness["entered"].items())
        yield f"ways into the kernel: {', '.join(ways)}"
    if witness["taint"]:
        yield f"taint flags: {witness['taint']:#x}"
    yield f"the machine stood still for at most {witness['stalled_seconds']} s"
