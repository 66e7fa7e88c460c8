# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's trace: events that root defines, switches on for one process, and reads."""

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
    """Add an event, in the words of Documentation/trace/{k,u}probetrace.rst."""
    with attacker.open(f"{TRACING}/{kind}_events", O_WRONLY | O_APPEND) as events:
        events.write(f"{definition}\n".encode())


def switch_on(attacker: Attacker, event: str, *, only: str = "") -> None:
    """Have an event, `group/name`, recorded wherever `only`, if given, is true; as set-up."""
    place = f"{TRACING}/events/{event}"
    with attacker.setup():
        if only:
            attacker.write_file(f"{place}/filter", only.encode())
        attacker.write_file(f"{place}/enable", b"1")


def recorded(attacker: Attacker, name: str) -> list[str]:
    """What was recorded of an event so far: of each one, what is printed behind its name."""
    return list(details(attacker.read_file(f"{TRACING}/trace"), name))


def details(trace: bytes, name: str) -> Iterator[str]:
    """Yield what the trace has to say of each event of one name."""
    for line in trace.decode("ascii", errors="replace").splitlines():
        _, found, said = line.partition(f": {name}: ")
        if found and not line.startswith("#"):
            yield said


def numbers(said: str) -> dict[str, int]:
    """The arguments of a probe that were recorded in hexadecimal; not those that faulted."""
    return {name: int(value, 16) for name, value in _FIELD.findall(said)}


def fetch(place: str, size: int) -> str:
    """The arguments by which a probe records memory, word by word.

    `place` is a fetch argument with `{}` for the distance from where the memory begins.
    """
    return " ".join(f"w{at}={place.format(at)}:x64" for at in range(0, size, _WORD))


def fetched(attacker: Attacker, name: str, size: int) -> list[bytes]:
    """The memory that an event recorded so, each time that none of it was missing."""
    found = [numbers(said) for said in recorded(attacker, name)]
    names = [f"w{at}" for at in range(0, size, _WORD)]
    whole = (words for words in found if words.keys() >= set(names))
    return [b"".join(words[w].to_bytes(_WORD, "little") for w in names) for words in whole]
