# SPDX-License-Identifier: GPL-2.0-only
"""What is at stake with the handler `pgp`: the keys that the kernel trusts.

These scenarios exist only for this handler (STAKES of this package).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.attacker.tools.certificates import OwnKey
from harness.attacker.tools.openpgp import forged_reply, with_key
from harness.guests.vendor import OPENPGP
from harness.scenarios.stakes import add_forged, by_proc_mem

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler


@by_proc_mem(surface="stake-keys", answers=("R6", "T5", "T12", "C14"))
def forged_openpgp_key(attacker: Attacker, handler: Handler) -> None:
    """Have the kernel trust the attacker's key, as if a vendor's OpenPGP packets had it.

    The attacker adds a subpacket with the attacker's key to the unhashed subpackets of the vendor's
    signature, which no signature covers. The attacker overwrites the handler's parser. Code in its
    place replies what the vendor's packets hold, but modulus and exponent are those in that
    subpacket. The kernel verifies the vendor's signature, adds the key, and verifies the attacker's
    signature with it.
    """
    with attacker.setup():
        key = OwnKey()
        public = key.private.public_key()
        blob = with_key(attacker.read_file(OPENPGP), public)
        reply = forged_reply(blob, public)
    add_forged(attacker, handler, "umd_pgp_parse", reply, blob, key)
