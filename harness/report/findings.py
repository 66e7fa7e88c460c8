# SPDX-License-Identifier: GPL-2.0-only
"""What a run has found: known holes, attacks past every LSM hook, parity with a kernel thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.parity import REFERENCE, SUBJECT, parities
from harness.report.text import plural, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console

    from harness.judge.result import Result

_FEW = 5  # entries that the summary names


def print_findings(out: Console, results: Sequence[Result]) -> None:
    """Print each list in full."""
    for head, entries in _findings(results):
        out.print(f"{head}:", style="bold", soft_wrap=True)
        out.print("\n".join(f"  {entry}" for entry in entries), soft_wrap=True)


def print_findings_counted(out: Console, results: Sequence[Result]) -> None:
    """Print a line for each list: its head, and its entries if there are few."""
    for head, entries in _findings(results):
        named = f": {'; '.join(entries)}" if len(entries) <= _FEW else ""
        out.print(head + named, soft_wrap=True)


def _findings(results: Sequence[Result]) -> Iterator[tuple[str, list[str]]]:
    """Yield the head and the entries of each list that is not empty."""
    holes = [result for result in results if result.ok and result.hole is not None]
    if holes:
        yield plural(len(holes), "known hole").capitalize(), _known_holes(holes)
    unhooked = _variants_by([result for result in results if result.unhooked], lambda _: ())
    if unhooked:
        them = "it" if len(unhooked) == 1 else "them"
        head = f"{plural(len(unhooked), 'attack')} won and passed no LSM hook able to deny {them}"
        yield head, [f"{line} {name}: {on}" for (line, name), on in unhooked.items()]
    yield from _parity(results)


def _known_holes(holes: Sequence[Result]) -> list[str]:
    return [
        f"{line} {name}: {verdict} on {variants}: {visible(why)}"
        for (line, name, verdict, why), variants in _variants_by(
            holes, lambda result: (result.verdict, result.hole or "")
        ).items()
    ]


def _parity(results: Sequence[Result]) -> Iterator[tuple[str, list[str]]]:
    """Yield the attacks under which the isolated handler loses more than a kernel thread (R16)."""
    compared = list(parities(results))
    worse = [f"{cell.line} {cell.scenario}: {', '.join(axes)}" for cell, axes in compared if axes]
    if worse:
        head = f"{SUBJECT} loses more than {REFERENCE} under {plural(len(worse), 'attack')}"
        yield head, worse
    unknown = [cell.scenario for cell, axes in compared if axes is None]
    if len(unknown) < len(compared) and unknown:
        yield f"parity not determined for {plural(len(unknown), 'attack')}", unknown


def _variants_by(
    results: Sequence[Result], what: Callable[[Result], tuple[str, ...]]
) -> dict[tuple[str, ...], str]:
    """Return the names of the variants, grouped by line, scenario and `what`."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for result in results:
        key = (result.cell.line, result.cell.scenario, *what(result))
        groups.setdefault(key, []).append(result.cell.variant)
    return {key: ", ".join(variants) for key, variants in groups.items()}
