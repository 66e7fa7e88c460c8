# SPDX-License-Identifier: GPL-2.0-only
"""The host's own challenge: the reply has to be what the handler's secret makes of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness.host.errors import Silent
from harness.witness.challenge import TRIES, WRONG_REPLY, challenge, is_answer
from harness.witness.tally import Challenge

if TYPE_CHECKING:
    from harness.witness.handler_at_rest import HandlerAtRest
    from harness.witness.reader import Witness

SECRET, CHAIN, HEAD = b"s" * 32, b"c" * 32, b"h" * 24


def answered(body: bytes, *, generation: int = 3) -> Challenge:
    """A challenge that the handler with the secret has answered."""
    request = HEAD + body
    link = sha256(CHAIN + request + sha256(SECRET).digest()).digest()
    return Challenge(generation, 0, CHAIN, request, HEAD + link)


@dataclass
class Answering:
    """A witness whose handler answers, and what the host has seen of its handlers."""

    change: dict[str, Any] = field(default_factory=dict)
    silent: Silent | None = None
    secrets: dict[int, bytes] = field(default_factory=lambda: {3: SECRET})
    settled: int = 0

    def challenge(self, body: bytes) -> Challenge:
        if self.silent:
            raise self.silent
        return replace(answered(body), **self.change)

    def settle(self, _: object) -> None:
        self.settled += 1

    def run(self) -> tuple[str, str]:
        return challenge(cast("Witness", self), cast("HandlerAtRest", self))


def test_a_right_reply_leaves_nothing_to_say() -> None:
    assert Answering().run() == ("", "")


@pytest.mark.parametrize(
    "change",
    [
        {"request": HEAD + b"b" * 32},
        {"reply": HEAD + b"b" * 32},
        {"reply": b"x" * 24 + answered(b"b" * 32).reply[24:]},
        {"chain": b"d" * 32},
    ],
)
def test_a_wrong_reply_is_told(change: dict[str, Any]) -> None:
    assert Answering(change).run() == (WRONG_REPLY, "")
    body = b"b" * 32
    assert is_answer(answered(body), body, SECRET)
    assert not is_answer(replace(answered(b"n" * 32), **change), b"n" * 32, SECRET)


def test_the_reply_goes_by_the_secret_in_the_handlers_memory() -> None:
    assert Answering(secrets={3: b"t" * 32}).run() == (WRONG_REPLY, "")


def test_no_reply_is_told() -> None:
    assert Answering({"error": -110}).run() == ("", "no reply to the host: ETIMEDOUT")
    silent = Answering(silent=Silent("no end of CHALLENGE within 15 s", alive=True))
    assert silent.run() == ("", "no reply to the host: no end of CHALLENGE within 15 s")
    with pytest.raises(Silent):
        Answering(silent=Silent("the guest's heart has stopped", alive=False)).run()


def test_a_handler_that_was_replaced_is_looked_at_again() -> None:
    replaced = Answering({"generation": 4})
    assert replaced.run() == ("", "no reply to the host: the handler was replaced")
    assert replaced.settled == TRIES
