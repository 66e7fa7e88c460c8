# SPDX-License-Identifier: GPL-2.0-only
"""The tables of the findings: variants with their numbers, and attacks with their verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.findings.document import Table, Text, code
from harness.findings.evidence import AXES, NOT_MEASURED
from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.findings.document import Block
    from harness.findings.evidence import Evidence

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


def missing(evidence: Evidence, variants: Sequence[str] = SHOWN) -> list[str]:
    """Return the variants that no run has."""
    return [name for name in variants if not evidence.has(name)]


def bold(verdict: str) -> str:
    """Mark a loss."""
    lost = (Verdict.TAMPERED, Verdict.DISRUPTED, Verdict.LEAKED)
    return f"**{verdict}**" if verdict in lost else verdict
