# SPDX-License-Identifier: GPL-2.0-only
"""How many attacks of a kept run a campaign has found.

A finding shares its calls with an attack if both have the same verdict, and if each call of the
finding that names a process or a file is among the recorded calls of the attack. Calls that open,
read or write count as the same call, and so do cgroups with other names. Numbers count for the
command of ptrace(2) and the like alone. So this is an estimate.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.campaign.program import Call, Number, Pid, Text, parts
from harness.campaign.seeds import programs_of
from harness.model.verdict import Verdict
from harness.scenarios.classes import class_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.campaign.finding import Finding
    from harness.campaign.program import Argument, Program
    from harness.results.recorded_run import RecordedRun

_WON = (Verdict.TAMPERED, Verdict.DISRUPTED, Verdict.LEAKED)
_SAME = {
    **dict.fromkeys(("write", "writev", "pwrite64", "pwritev", "pwritev2"), "write"),
    **dict.fromkeys(("read", "readv", "pread64", "preadv", "preadv2"), "read"),
    **dict.fromkeys(("open", "openat", "openat2", "creat"), "open"),
}
_CGROUP = re.compile(r"^/sys/fs/cgroup/[^/]+/")
_COMMAND = {"ptrace": 0, "prctl": 0, "bpf": 0, "ioctl": 1, "fcntl": 1}
"""The place of the argument that says what a call does."""
_PID_FIRST = ("kill", "tkill", "tgkill", "pidfd_open", "rt_sigqueueinfo", "rt_tgsigqueueinfo")
_WHOSE = {-1: "everyone", 1: "init", 2: "kthreadd"}


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
    args = [_as_pid(call.args[0]), *call.args[1:]] if call.name in _PID_FIRST else call.args
    named = sorted(filter(None, (_named(part) for one in args for part in parts(one))))
    if not named:
        return ""
    command = call.args[_COMMAND[call.name]] if call.name in _COMMAND else None
    shown = [str(command.value)] if isinstance(command, Number) else []
    return f"{_SAME.get(call.name, call.name)}({' '.join([*shown, *named])})"


def _as_pid(argument: Argument) -> Argument:
    """Return a recorded pid as what it stands for, if that is the same on each machine."""
    whose = _WHOSE.get(argument.value) if isinstance(argument, Number) else None
    return Pid(whose) if whose else argument


def _named(argument: object) -> str:
    match argument:
        case Pid(whose):
            return whose
        case Text(text) if "/" in text:
            return _CGROUP.sub("/sys/fs/cgroup/*/", text)
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
        "| class | a finding shares their calls | won in the run, with recorded calls |",
        "| --- | --- | --- |",
        *rows,
    ]
