# SPDX-License-Identifier: GPL-2.0-only
"""What is at stake with the handler `x509`: the keys that the kernel trusts.

These scenarios exist only for this handler (STAKES of this package).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from harness.attacker.tools.certificates import OwnKey, forged_reply
from harness.guests.vendor import CERTIFICATE
from harness.scenarios.stakes import add_forged, by_proc_mem

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

PARSER = "umd_x509_parse"
"""The handler's function that parses."""

_at_stake = partial(by_proc_mem, surface="stake-keys", answers=("T5", "T12", "C14"))


@_at_stake()
def forged_key(attacker: Attacker, handler: Handler) -> None:
    """Have the kernel trust the attacker's key, as if a vendor's certificate had it.

    The attacker overwrites the handler's parser. For a vendor's certificate with the attacker's key
    behind it, the parser replies what the certificate holds, but for the key. The kernel checks the
    vendor's signature, adds the key, and verifies the attacker's signature with it.
    """
    with attacker.setup():
        vendor, key = attacker.read_file(CERTIFICATE), OwnKey()
        file = vendor + key.public
        reply = forged_reply(file, vendor, key.public)
    add_forged(attacker, handler, PARSER, reply, file, key)


@_at_stake()
def mixed_certificates(attacker: Attacker, handler: Handler) -> None:
    """Have the kernel trust the key of one certificate by the signature of another.

    As `forged_key`, but the attacker's own certificate lies before the vendor's. The kernel's
    parser reads the first certificate. It finds the same key there, but another signature.
    """
    with attacker.setup():
        vendor, key = attacker.read_file(CERTIFICATE), OwnKey()
        file = key.certificate() + vendor
        reply = forged_reply(file, vendor, key.public)
    add_forged(attacker, handler, PARSER, reply, file, key)
