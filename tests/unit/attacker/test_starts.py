# SPDX-License-Identifier: GPL-2.0-only
"""A start is caught at some restart, or no more restarts are made after the last try."""

from __future__ import annotations

from unittest.mock import MagicMock

import pytest
from local_agent import local_attacker

from harness.attacker.agent.errors import NoTarget
from harness.attacker.tools.starts import STARTS, Lookout, catch_start


class Payload:
    """Catches the start after so many restarts; 0 is before the first."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.restarts = 0
        self.looks = 0

    def restart(self) -> None:
        assert self.looks == self.restarts + 1, "each restart is looked at before the next"
        self.restarts += 1

    def look(self) -> bytes | None:
        self.looks += 1
        return b"" if self.restarts == self.at else None


@pytest.mark.parametrize("at", [0, 1, 7, STARTS])
@pytest.mark.parametrize("is_counted", [True, False])
def test_the_first_start_that_is_caught_is_the_last(at: int, *, is_counted: bool) -> None:
    payload = Payload(at)
    with local_attacker() as attacker:
        found = catch_start(attacker, payload.restart, payload.look, is_counted=is_counted)
        tries = attacker.tries
    assert found == b"", "whatever was caught, even if it is empty"
    assert (payload.restarts, payload.looks) == (at, at + 1)
    assert tries == ((int(at > 0), at) if is_counted else (0, 0))


def test_starts_that_are_never_caught_leave_no_target() -> None:
    payload = Payload(STARTS + 1)
    with local_attacker() as attacker:
        with pytest.raises(NoTarget, match="before it was executed"):
            catch_start(attacker, payload.restart, payload.look)
        assert attacker.tries == (0, STARTS)
        with pytest.raises(NoTarget, match="in time"):
            catch_start(attacker, lambda: None, lambda: None, missed="in time")
    assert payload.restarts == STARTS


def lookout(answer: bytes) -> Lookout:
    """A payload that has this in its pipe."""
    attacker = MagicMock()
    attacker.pipe.return_value = MagicMock(**{"read.return_value": answer}), MagicMock()
    return Lookout(attacker, "made_up")


def test_a_payload_that_has_ended_has_caught_nothing() -> None:
    assert lookout(b"-").ask() is None
    assert lookout(b"t").ask() == b"t"
    with pytest.raises(LookupError, match="has ended"):
        lookout(b"").ask()
