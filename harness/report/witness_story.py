# SPDX-License-Identifier: GPL-2.0-only
"""What the witness saw of a cell, as lines: `witness.json` in short."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_COUNTS = ("sent", "right", "wrong", "failed", "starts")
_PHASES = ("aftermath", "after a restart", "after a reload")
"""The phases of the aftermath, in their order."""
_MILLION = 1_000_000


def witness_lines(witness: Mapping[str, Any]) -> Iterator[str]:
    """Yield the counts before, during and after the attack, and the further findings."""
    if "machine" in witness:
        yield f"the machine ended: {witness['machine']}"
    if not {"before", "attacked", "after"} <= witness.keys():
        return
    before, attacked, after = (witness[name] for name in ("before", "attacked", "after"))
    yield from _table(before, attacked, after)
    yield f"violations: {', '.join(after['violations']) or 'none'}"
    yield "slowest reply since boot: " + ", ".join(
        f"{tally['slowest_ns'] / _MILLION:.1f} ms {when}"
        for when, tally in (("before", before), ("during", attacked), ("after", after))
    )
    yield f"handler: process {before['pid']}, at the end {after['pid']}"
    yield f"exits of handlers: {after['exits'] - before['exits']}"
    reached = witness["reached"]
    yield "arrival: " + (
        "no function can prove it"
        if reached is None
        else f"{reached} calls of the function that proves it"
    )
    if witness["entered"]:
        ways = (f"{way} ({calls} times)" for way, calls in witness["entered"].items())
        yield f"ways into the kernel: {', '.join(ways)}"
    if witness["taint"]:
        yield f"taint flags: {witness['taint']:#x}"
    yield f"the machine stood still for at most {witness['stalled_seconds']} s"


def _table(
    before: Mapping[str, Any], attacked: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[str]:
    during = {name: attacked["count"][name] - before["count"][name] for name in _COUNTS}
    rows = {"before": before["count"], "during": during}
    rows |= dict(zip(_PHASES, after["phases"], strict=False))
    width = max(map(len, rows))
    yield f"{'requests':<{width}}" + "".join(f"{name:>8}" for name in _COUNTS)
    for name, counts in rows.items():
        yield f"{name:<{width}}" + "".join(f"{counts[column]:>8}" for column in _COUNTS)
