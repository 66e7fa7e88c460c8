# SPDX-License-Identifier: GPL-2.0-only
"""The attempt: the attacker's own account of what was tried. Evidence of that, never a verdict."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

KEPT_AT_EACH_END = 200
_SHOWN = 60


@dataclass(frozen=True)
class Call:
    """One system call: its result, or the name of its errno, or neither if no answer came."""

    name: str
    args: tuple[str, ...]
    result: int | None
    errno: str | None
    setup: bool
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return the call as it is kept in `attempt.json`."""
        entry: dict[str, Any] = {"call": self.name, "args": list(self.args)}
        if self.errno is not None:
            entry["errno"] = self.errno
        elif self.result is not None:
            entry["result"] = self.result
        else:
            entry["lost"] = True
        return entry | {"setup": self.setup, "seconds": round(self.seconds, 6)}


class Attempt:
    """The calls made, in order; of a long attempt only the first and the last are kept."""

    def __init__(self, *, kept: int = KEPT_AT_EACH_END) -> None:
        self._kept = kept
        self._first: list[Call] = []
        self._last: deque[Call] = deque(maxlen=kept)
        self._notes: list[dict[str, Any]] = []
        self.count = 0

    def note(self, **facts: Any) -> None:
        """Record what is no call: JSON-able facts, which come after all calls."""
        self._notes.append(facts)

    def add(self, call: Call) -> None:
        """Record one more call."""
        self.count += 1
        if len(self._first) < self._kept:
            self._first.append(call)
        else:
            self._last.append(call)

    @property
    def omitted(self) -> int:
        """How many calls in the middle are not kept."""
        return self.count - len(self._first) - len(self._last)

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls that are kept."""
        return (*self._first, *self._last)

    def as_json(self) -> list[dict[str, Any]]:
        """Return the attempt as it is kept in `attempt.json`, the gap included."""
        gap: list[dict[str, Any]] = [{"omitted": self.omitted}] if self.omitted else []
        first = [call.as_json() for call in self._first]
        return first + gap + [call.as_json() for call in self._last] + self._notes


def shown(value: int | str | bytes | bytearray) -> str:
    """Return an argument for a person to read: short, in ASCII, with all else escaped."""
    if isinstance(value, int):
        return str(value) if abs(value) < 4096 else hex(value)
    text = ascii(bytes(value[:_SHOWN]) if isinstance(value, (bytes, bytearray)) else value[:_SHOWN])
    if len(value) > _SHOWN or len(text) > _SHOWN:
        return f"{text[:_SHOWN]}… ({len(value)})"
    return text
