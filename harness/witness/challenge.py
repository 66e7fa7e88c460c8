# SPDX-License-Identifier: GPL-2.0-only
"""A challenge by the host: a request that nothing in the guest can have foreseen.

The host chooses the request's body, and works out the reply itself from the secret that it finds
in the handler's memory.
"""

from __future__ import annotations

from hashlib import sha256
from os import urandom
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import errno_name
from harness.host.errors import Silent
from harness.witness.layout import HASH_BYTES

if TYPE_CHECKING:
    from harness.witness.handler_at_rest import HandlerAtRest
    from harness.witness.reader import Witness
    from harness.witness.tally import Challenge

TRIES = 3
"""Challenges before a handler that is replaced each time counts as unseen."""
WRONG_REPLY = "wrong reply to the host"


def challenge(witness: Witness, rest: HandlerAtRest) -> tuple[str, str]:
    """Challenge the handler that `rest` has seen.

    Return what was wrong with its reply, and why there was none; each is empty if that was not so.
    Raises VmLost if the machine is lost.
    """
    for _ in range(TRIES):
        body = urandom(HASH_BYTES)
        try:
            told = witness.challenge(body)
        except Silent as silent:
            if not silent.alive:
                raise
            return "", f"no reply to the host: {silent}"
        if told.error:
            return "", f"no reply to the host: {errno_name(-told.error)}"
        secret = rest.secrets.get(told.generation)
        if secret is not None:
            return ("" if is_answer(told, body, secret) else WRONG_REPLY), ""
        rest.settle(witness)
    return "", "no reply to the host: the handler was replaced"


def is_answer(told: Challenge, body: bytes, secret: bytes) -> bool:
    """Whether the host's request was sent, and answered by who has the secret.

    The reply repeats the request's head, and has the next link of the hash chain as its body
    (umd_witness/answer.h).
    """
    link = sha256(told.chain + told.request + sha256(secret).digest()).digest()
    return told.request.endswith(body) and told.reply == told.request[:-HASH_BYTES] + link
