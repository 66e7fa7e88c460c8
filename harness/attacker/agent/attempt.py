# SPDX-License-Identifier: GPL-2.0-only
"""The attempt: the attacker's record of its system calls. It is evidence, never a verdict."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

KEPT_AT_EACH_END = 200
_SHOWN = 60


@dataclass(frozen=True)
class Call:
    """One system call of the attempt."""

    name: str
    """The call's name, as in its man page."""
    args: tuple[str, ...]
    """Its arguments as text, shortened and escaped."""
    result: int | None
    """Its result as the kernel returned it; None if no answer came."""
    errno: str | None
    """The name of the errno that it failed with; None if it succeeded or no answer came."""
    setup: bool
    """Whether it was part of the set-up (`SystemCalls.setup`), not of the attack itself."""
    seconds: float
    """How long the host waited for the answer."""

    def as_json(self) -> dict[str, Any]:
        """Return the call as an entry of `attempt.json`."""
        entry: dict[str, Any] = {"call": self.name, "args": list(self.args)}
        if self.errno is not None:
            entry["errno"] = self.errno
        elif self.result is not None:
            entry["result"] = self.result
        else:
            entry["lost"] = True
        return entry | {"setup": self.setup, "seconds": round(self.seconds, 6)}


class Attempt:
    """The system calls of an attack in order; only the first and the last `kept` are stored."""

    def __init__(self, *, kept: int = KEPT_AT_EACH_END) -> None:
        self._kept = kept
        self._first: list[Call] = []
        self._last: deque[Call] = deque(maxlen=kept)
        self._notes: list[dict[str, Any]] = []
        self.count = 0
        """How many calls were made, including those that are not stored."""

    def note(self, **facts: Any) -> None:
        """Record facts other than calls. They must be JSON values; `as_json` puts them last."""
        self._notes.append(facts)

    def add(self, call: Call) -> None:
        """Record a call."""
        self.count += 1
        if len(self._first) < self._kept:
            self._first.append(call)
        else:
            self._last.append(call)

    @property
    def omitted(self) -> int:
        """How many calls in the middle are not stored."""
        return self.count - len(self._first) - len(self._last)

    @property
    def calls(self) -> tuple[Call, ...]:
        """The stored calls: the first ones and the last ones."""
        return (*self._first, *self._last)

    def as_json(self) -> list[dict[str, Any]]:
        """Return the content of `attempt.json`; an entry `omitted` counts the calls not stored."""
        gap: list[dict[str, Any]] = [{"omitted": self.omitted}] if self.omitted else []
        first = [call.as_json() for call in self._first]
        return first + gap + [call.as_json() for call in self._last] + self._notes


def shown(value: int | str | bytes | bytearray) -> str:
    """Return an argument as text for display: shortened, in ASCII, other characters escaped."""
    if isinstance(value, int):
        return str(value) if abs(value) < 4096 else hex(value)
    text = ascii(bytes(value[:_SHOWN]) if isinstance(value, (bytes, bytearray)) else value[:_SHOWN])
    if len(value) > _SHOWN or len(text) > _SHOWN:
        return f"{text[:_SHOWN]}… ({len(value)})"
    return text
