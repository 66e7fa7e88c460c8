# SPDX-License-Identifier: GPL-2.0-only
"""Catching a handler as it starts: a race, so that many starts are tried."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from harness.attacker.agent.errors import NoTarget

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.attacker.agent.attacker import Attacker

Caught = TypeVar("Caught")

_NONE = b"-"

STARTS = 20
"""How many starts to try to catch: most are caught at once."""


class Lookout:
    """A payload that looks out for starts, and is asked for what it has caught (start.h)."""

    def __init__(self, attacker: Attacker, payload: str, *arguments: str) -> None:
        """Start the payload with these arguments."""
        with attacker.setup():
            self._answers, writer = attacker.pipe()
            reader, self._questions = attacker.pipe()
            program = attacker.payload(payload)
            with writer, reader:
                self.pid = attacker.spawn(program, *arguments, stdin=reader.fd, stdout=writer.fd)

    def ask(self) -> bytes | None:
        """Return what the payload has caught or done, one byte; None for nothing.

        Raises LookupError if the payload has ended.
        """
        self._questions.write(b"?")
        answer = self._answers.read(1)
        if not answer:
            raise LookupError("the payload that looks out for starts has ended")
        return None if answer == _NONE else answer

    def end(self) -> None:
        """Have the payload end, which nobody can ask any more."""
        self._questions.close()


def catch_start(
    attacker: Attacker,
    restart: Callable[[], None],
    look: Callable[[], Caught | None],
    *,
    is_counted: bool = True,
    missed: str = "no process was caught before it was executed",
) -> Caught:
    """Restart the handler until a payload catches a start. Return what the payload caught.

    `look` returns what the payload has caught, None for nothing. It is called once before the first
    restart, when the payload is ready, and once after each restart. If `is_counted`, each restart
    is a try of the attacker's. Raises NoTarget, with `missed` as the reason, after `STARTS`.
    """
    caught = look()
    for _ in range(STARTS):
        if caught is not None:
            return caught
        restart()
        caught = look()
        if is_counted:
            attacker.tried(won=caught is not None)
    if caught is None:
        raise NoTarget(missed)
    return caught
