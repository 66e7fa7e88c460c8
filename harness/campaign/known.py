# SPDX-License-Identifier: GPL-2.0-only
"""How many attacks of a kept run a campaign has found.

A finding is an attack if both have the same verdict, and if each call of the finding that names a
process or a file is among the recorded calls of the attack. Calls that open, read or write count as
the same call.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.campaign.program import Call, Pid, Text, parts
from harness.campaign.seeds import programs_of
from harness.model.verdict import Verdict
from harness.scenarios.classes import class_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.campaign.finding import Finding
    from harness.campaign.program import Program
    from harness.results.recorded_run import RecordedRun

_WON = (Verdict.TAMPERED, Verdict.DISRUPTED, Verdict.LEAKED)
_SAME = {
    **dict.fromkeys(("write", "writev", "pwrite64", "pwritev", "pwritev2"), "write"),
    **dict.fromkeys(("read", "readv", "pread64", "preadv", "preadv2"), "read"),
    **dict.fromkeys(("open", "openat", "openat2", "creat"), "open"),
}


@dataclass(frozen=True)
class KnownAttack:
    """An attack that won in a kept run."""

    name: str
    verdict: Verdict
    aims: frozenset[str]
    """Its calls that name a process or a file, and which."""


def known_attacks(run: RecordedRun, variant: str) -> list[KnownAttack]:
    """Return the attacks that won on a variant in the run. Raises UserError for a damaged file."""
    won = (line for line in run.cells.values() if line.variant == variant and line.verdict in _WON)
    return [
        KnownAttack(line.scenario, line.verdict, aims(program))
        for line, program in programs_of(run, won)
    ]


def aims(program: Program) -> frozenset[str]:
    """Return the calls that name a process or a file, with what they name."""
    return frozenset(filter(None, map(_aim, program.calls)))


def _aim(call: Call) -> str:
    named = sorted(filter(None, (_named(part) for one in call.args for part in parts(one))))
    return f"{_SAME.get(call.name, call.name)}({' '.join(named)})" if named else ""


def _named(argument: object) -> str:
    match argument:
        case Pid(whose):
            return whose
        case Text(text) if "/" in text:
            return text
    return ""


def found_again(findings: Iterable[Finding], known: Sequence[KnownAttack]) -> set[str]:
    """Return the names of the attacks that the findings are."""
    made = [(one.verdict, aims(one.program)) for one in findings if one.is_sure]
    return {
        attack.name
        for attack in known
        if any(verdict is attack.verdict and aim and aim <= attack.aims for verdict, aim in made)
    }


def told(again: set[str], known: Sequence[KnownAttack]) -> list[str]:
    """Return how many attacks of each class were found, as Markdown."""
    every = Counter(class_of(attack.name) for attack in known)
    found = Counter(map(class_of, again))
    rows = [f"| {name} | {found[name]} | {count} |" for name, count in sorted(every.items())]
    rows.append(f"| all | {len(again)} | {len(known)} |")
    return [
        "| class | found by the campaign | won in the run, with recorded calls |",
        "| --- | --- | --- |",
        *rows,
    ]
