# SPDX-License-Identifier: GPL-2.0-only
"""Programs to start from: those that other campaigns kept, and the recorded calls of a kept run.

A record has a call's arguments as text, shortened. A call whose argument was cut is left out.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.attacker.agent.syscalls import NUMBERS
from harness.campaign.kept import CampaignFolder, is_campaign
from harness.campaign.program import (
    CALLS_MAX,
    Argument,
    Call,
    Data,
    Made,
    Number,
    Pid,
    Program,
    Text,
)
from harness.campaign.resources import NEVER_MADE
from harness.results.recorded_run import read_run

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from harness.results.recorded_run import RecordedRun
    from harness.results.result_line import ResultLine

_NUMBER = re.compile(r"-?(0x[0-9a-f]+|\d+)")
_MAKE = ("openat", "open", "pidfd_open", "pidfd_getfd", "perf_event_open", "memfd_create")
"""Calls whose result is a descriptor that later calls take."""


def named_seeds(names: Iterable[str], *, root: Path) -> tuple[Program, ...]:
    """Return the programs of runs and campaigns, each once. Raises UserError.

    A name is that of a folder, or of a folder in `root`.
    """
    found: dict[Program, None] = {}
    for name in names:
        place = next((place for place in (Path(name), root / name) if is_campaign(place)), None)
        programs = _learnt(place) if place else seeds_of(read_run(name, root=root))
        found |= dict.fromkeys(programs)
    return tuple(found)


def _learnt(campaign: Path) -> Iterator[Program]:
    """Yield the programs that a campaign kept, and those of its findings."""
    _, ended = CampaignFolder(campaign).read()
    for end in ended:
        yield from (kept.program for kept in end.kept)
        yield from (finding.program for finding in end.findings)


def seeds_of(run: RecordedRun, *, without: Collection[str] = ()) -> tuple[Program, ...]:
    """Return the programs of a run's attacks, each once, but not those of the attacks `without`.

    Raises UserError for a damaged file.
    """
    lines = (line for line in run.cells.values() if line.scenario not in without)
    return tuple(dict.fromkeys(program for _, program in programs_of(run, lines)))


def programs_of(
    run: RecordedRun, lines: Iterable[ResultLine]
) -> Iterator[tuple[ResultLine, Program]]:
    """Yield the program of each cell that has one. Raises UserError for a damaged file."""
    from harness.results.kept_cell import keep_of

    for line in lines:
        outcome = keep_of(run, line).outcome
        if outcome is not None and outcome.witness:
            pid = int(outcome.witness["before"]["pid"])
            if program := seed(outcome.attempt, pid=pid):
                yield line, program


def seed(attempt: Iterable[Mapping[str, Any]], *, pid: int) -> Program | None:
    """Return a program of the first recorded calls; None if there are none.

    `pid` is the handler's pid in the record.
    """
    calls: list[Call] = []
    made: dict[int, int] = {}
    for entry in attempt:
        name = entry.get("call")
        if name not in NUMBERS or name in NEVER_MADE or entry.get("setup"):
            continue
        args = [_argument(text, pid, made) for text in entry["args"]]
        if None in args or len(args) > 6:
            continue
        calls.append(Call(name, tuple(one for one in args if one is not None)))
        if name in _MAKE and entry.get("result", -1) > 2:
            made[entry["result"]] = len(calls) - 1
        if len(calls) == CALLS_MAX:
            break
    return Program(tuple(calls)) if calls else None


def _argument(text: str, pid: int, made: Mapping[int, int]) -> Argument | None:
    """Return an argument from its text; None if the text was cut."""
    if _NUMBER.fullmatch(text):
        number = int(text, 0)
        if number in made:
            return Made(made[number])
        return {pid: Pid("handler"), -pid: Pid("group")}.get(number) or Number(number)
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None
    if isinstance(value, bytes):
        return _data(value, pid)
    if isinstance(value, str) and value.isascii():
        return Text(re.sub(rf"(?<!\d){pid}(?!\d)", "{handler}", value))
    return None


def _data(content: bytes, pid: int) -> Data | Text:
    """Return memory; the handler's pid in it, as a word or in decimal, stands for any handler's."""
    if content.strip() == str(pid).encode():
        return Text("{handler}")
    fields = tuple(
        (at, 4, Pid("handler"))
        for at in range(0, len(content) - 3, 4)
        if content[at : at + 4] == pid.to_bytes(4, "little")
    )
    return Data(content, fields)
