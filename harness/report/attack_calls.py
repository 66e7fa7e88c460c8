# SPDX-License-Identifier: GPL-2.0-only
"""The attacker's system calls as lines, from the entries of `attempt.json`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from harness.attacker.agent.attempt import shown
from harness.report.ptrace_requests import REQUESTS
from harness.report.text import plural, visible
from harness.vm.process import signal_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CALLS_TOLD = 20
"""The most calls that are shown: the last ones."""

_OUTPUT_TOLD = 20  # lines of a program's output
_REQUEST_NAMES = {shown(number): name for number, name in REQUESTS.items()}


def call_lines(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line for each of the last calls, and lines about an attack program."""
    calls = [entry for entry in entries if "call" in entry]
    omitted = sum(entry.get("omitted", 0) for entry in entries)
    if before := omitted + len(calls) - len(calls[-CALLS_TOLD:]):
        yield f"... {plural(before, 'call')} before these"
    for entry in calls[-CALLS_TOLD:]:
        yield visible(_call(entry))
    for entry in entries:
        if "program" in entry:
            yield from _program(entry)


def _call(entry: Mapping[str, Any]) -> str:
    result = entry.get("errno") or f"{entry['result']:#x}" if "lost" not in entry else "no answer"
    preparing = "  (set-up)" if entry["setup"] else ""
    args = list(entry["args"])
    if entry["call"] == "ptrace" and args:
        args[0] = _REQUEST_NAMES.get(args[0], args[0])
    return f"{entry['call']}({', '.join(args)}) = {result}{preparing}"


def _program(entry: Mapping[str, Any]) -> Iterator[str]:
    ended = "was killed at its deadline"
    if (status := entry["status"]) is not None:
        code = os.waitstatus_to_exitcode(status)
        ended = f"ended with status {code}" if code >= 0 else f"died of {signal_name(code)}"
    yield visible(f"the program {entry['program']} {ended}; its last output:")
    for line in str(entry["output"]).splitlines()[-_OUTPUT_TOLD:]:
        yield f"  {visible(line)}"
