# SPDX-License-Identifier: GPL-2.0-only
"""Tracefs: events that root defines, enables with a filter, and reads."""

from __future__ import annotations

import re
from os import O_APPEND, O_WRONLY
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.attacker.agent.attacker import Attacker

TRACING = "/sys/kernel/tracing"

_WORD = 8
_FIELD = re.compile(r"(\w+)=(0x[0-9a-f]{1,16})(?= |$)")


def define(attacker: Attacker, kind: str, definition: str) -> None:
    """Define a probe event. `kind` is `kprobe` or `uprobe`.

    The syntax of `definition` is in Documentation/trace/kprobetrace.rst and uprobetracer.rst.
    """
    with attacker.open(f"{TRACING}/{kind}_events", O_WRONLY | O_APPEND) as events:
        events.write(f"{definition}\n".encode())


def switch_on(attacker: Attacker, event: str, *, only: str = "") -> None:
    """Enable the event `group/name`, with the event filter `only` if one is given; as set-up."""
    place = f"{TRACING}/events/{event}"
    with attacker.setup():
        if only:
            attacker.write_file(f"{place}/filter", only.encode())
        attacker.write_file(f"{place}/enable", b"1")


def recorded(attacker: Attacker, name: str, *, pid: int = 0) -> list[str]:
    """Return the text behind the event's name in each of its lines in the trace.

    With `pid` these are the lines of that task alone.
    """
    return list(details(attacker.read_file(f"{TRACING}/trace"), name, pid=pid))


def details(trace: bytes, name: str, *, pid: int = 0) -> Iterator[str]:
    """Yield the text behind the name in each line of the trace about event `name`, or a task's."""
    for line in trace.decode("ascii", errors="replace").splitlines():
        task, found, said = line.partition(f": {name}: ")
        if found and not line.startswith("#") and (not pid or f"-{pid} " in task):
            yield said


def numbers(said: str) -> dict[str, int]:
    """Parse a probe's hexadecimal arguments by name; leave out those whose fetch faulted."""
    return {name: int(value, 16) for name, value in _FIELD.findall(said)}


def fetch(place: str, size: int) -> str:
    """Return the fetch arguments that make a probe record `size` bytes of memory by 8-byte words.

    `place` is a fetch argument with `{}` in place of the offset from the start of the memory.
    """
    return " ".join(f"w{at}={place.format(at)}:x64" for at in range(0, size, _WORD))


def fetched(attacker: Attacker, name: str, size: int) -> list[bytes]:
    """Return the memory that event `name` recorded with `fetch`, once for each complete record."""
    found = [numbers(said) for said in recorded(attacker, name)]
    names = [f"w{at}" for at in range(0, size, _WORD)]
    whole = (words for words in found if words.keys() >= set(names))
    return [b"".join(words[w].to_bytes(_WORD, "little") for w in names) for words in whole]
