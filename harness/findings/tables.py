# SPDX-License-Identifier: GPL-2.0-only
"""The tables of the findings: variants with their numbers, and attacks with their verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.findings.document import Table, Text, code
from harness.findings.evidence import AXES, NOT_MEASURED
from harness.model.verdict import A_STEP, Verdict
from harness.results.held_counts import HeldCount

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.findings.document import Block
    from harness.findings.evidence import Evidence
    from harness.results.result_line import ResultLine

PROPOSALS = ("proposal", "proposal-mark")
"""What was proposed in July 2023, as variants."""

RIVALS = (
    "yama",
    "lockdown",
    "lockdown-confidentiality",
    "apparmor",
    "bpf-lsm",
    "selinux",
    "smack",
    "tsem",
)
"""What an administrator can have without a new security module."""

OURS = ("isolated", "isolated-lockdown")

SHOWN = (
    "baseline",
    "seccomp-strict",
    "seccomp-filter",
    *PROPOSALS,
    *OURS,
    "kthread",
    *RIVALS,
)
"""The variants of the first table, measured or not."""

NOT_MADE = "None of these attacks was made in this run."

CHOSEN = ("baseline", *PROPOSALS, "isolated", "kthread")
"""The variants of the tables about single attacks."""


def won_by_variant(evidence: Evidence, variants: Sequence[str] = SHOWN) -> list[Block]:
    """Return a row for each variant: the attacks that won on each axis, of those with a verdict.

    A sentence names the variants that no run has.
    """
    rows = [["variant", *AXES.values(), "of"]]
    for name in variants:
        if evidence.has(name):
            made = evidence.held(name, evidence.lines(name)).run
            numbers = [str(len(evidence.won(name, axis))) for axis in AXES]
            rows.append([code(name), *numbers, str(made)])
    absent = missing(evidence, variants)
    said = f"{NOT_MEASURED.capitalize()}: {', '.join(map(code, absent))}."
    return [Table(rows), *([Text(said)] if absent else [])]


def held_by_variant(
    evidence: Evidence, names: Sequence[str], variants: Sequence[str] = SHOWN
) -> list[Block]:
    """Return a row for each variant that was measured: how many of some attacks it held."""
    rows = [
        [code(name), str(evidence.held(name, names))]
        for name in variants
        if not evidence.lines(name).keys().isdisjoint(names)
    ]
    return [Table([["variant", "held"], *rows])] if rows else [Text(NOT_MADE)]


def verdicts(
    evidence: Evidence, names: Sequence[str], variants: Sequence[str] = CHOSEN
) -> list[Block]:
    """Return a row for each attack that was made, with its verdict on the measured variants."""
    there = [name for name in variants if evidence.has(name)]
    rows = [
        [name, *(bold(evidence.verdict(variant, name)) for variant in there)]
        for name in names
        if any(name in evidence.lines(variant) for variant in there)
    ]
    head = ["attack", *map(code, there)]
    return [Table([head, *rows], of_attacks=True)] if rows else [Text(NOT_MADE)]


def outcomes(
    before: Mapping[str, ResultLine], after: Mapping[str, ResultLine]
) -> dict[str, tuple[str, str]]:
    """Return the two outcomes of each attack that has a verdict in both, in alphabetical order."""
    return {
        name: (outcome(before[name]), outcome(after[name]))
        for name in sorted(before.keys() & after.keys())
        if all(HeldCount.of([lines[name]]).run for lines in (before, after))
    }


def outcome(line: ResultLine) -> str:
    """Return the verdict in a word; `a step` if nothing but a step was gained."""
    return A_STEP if A_STEP in line.lost and len(line.lost) == 1 else str(line.verdict)


def missing(evidence: Evidence, variants: Sequence[str] = SHOWN) -> list[str]:
    """Return the variants that no run has."""
    return [name for name in variants if not evidence.has(name)]


def bold(verdict: str) -> str:
    """Mark a loss."""
    lost = (Verdict.TAMPERED, Verdict.DISRUPTED, Verdict.LEAKED)
    return f"**{verdict}**" if verdict in lost else verdict
