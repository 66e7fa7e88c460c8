# SPDX-License-Identifier: GPL-2.0-only
"""What is at stake with the handler `pkcs7`: the keys that the kernel trusts.

These scenarios exist only for this handler (STAKES of this package).
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from harness.attacker.tools.certificates import OwnKey
from harness.attacker.tools.signed_messages import forged_reply, with_content
from harness.guests.vendor import MESSAGE
from harness.scenarios.stakes import add_forged, by_proc_mem

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler


@by_proc_mem(surface="stake-keys", answers=("R5", "T5", "T12", "C14"))
def forged_signed_key(attacker: Attacker, handler: Handler) -> None:
    """Have the kernel trust the attacker's key, as if a vendor had signed it in a PKCS#7 message.

    The attacker replaces the content of the vendor's message by the attacker's key and the digest
    of this key. The vendor's signature covers only attributes, among which is the digest of the
    vendor's content. The attacker overwrites the handler's parser. Code in its place replies that
    the attacker's key is the content, and that the digest behind this key is that attribute. The
    kernel finds the digest right, verifies the vendor's signature, adds the key, and verifies the
    attacker's signature with it.
    """
    with attacker.setup():
        key = OwnKey()
        blob = with_content(attacker.read_file(MESSAGE), key.public)
        reply = forged_reply(blob, key.public, sha256(key.public).digest())
    add_forged(attacker, handler, "umd_pkcs7_parse", reply, blob, key)
