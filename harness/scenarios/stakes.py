# SPDX-License-Identifier: GPL-2.0-only
"""What is at stake with the handler `x509`: the keys that the kernel trusts.

These scenarios exist only for this handler (STAKES of this package).
"""

from __future__ import annotations

from errno import EACCES, EPERM, ESRCH
from functools import partial
from hashlib import sha256
from os import O_RDWR
from typing import TYPE_CHECKING

from harness.attacker.tools.certificates import OwnKey, forged_reply
from harness.attacker.tools.keyrings import add_certificate, trusted_keyring, verify
from harness.attacker.tools.memory import expect_memory
from harness.attacker.tools.takeover import KEPT, false_parser
from harness.model.verdict import Effect
from harness.scenarios.registry import scenario
from harness.witness.tally import Violation

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

VENDOR = "/etc/vendor.der"
"""A certificate that a key in the kernel has signed (harness/guests/initramfs.py)."""
MESSAGE = b"a module that nobody has signed"

by_proc_mem = partial(
    scenario,
    effect=Effect.INTEGRITY,
    shows=Violation.BELIEVED.word,
    surface="proc-mem-write",
    answers=("T5", "T12", "C14"),
    call="openat",
    refused=(EPERM, EACCES),
    no_target=(ESRCH,),
    no_target_at="mm_access",
    reach="security_ptrace_access_check",
)


def replace_parser(attacker: Attacker, handler: Handler, function: str, reply: bytes) -> None:
    """Overwrite the handler's function that parses: from then on it gives this reply."""
    place = handler.symbol("arena") + KEPT
    expect_memory(attacker, handler.pid)
    with attacker.open(f"/proc/{handler.pid}/mem", O_RDWR) as memory:
        memory.pwrite(reply, place)
        memory.pwrite(false_parser(place, len(reply)), handler.symbol(function))


@by_proc_mem()
def forged_key(attacker: Attacker, handler: Handler) -> None:
    """Have the kernel trust the attacker's key, as if a vendor's certificate had it.

    The attacker overwrites the handler's parser. For a vendor's certificate with the attacker's key
    behind it, the parser replies what the certificate holds, but for the key. The kernel checks the
    vendor's signature, adds the key, and verifies the attacker's signature with it.
    """
    with attacker.setup():
        vendor, key = attacker.read_file(VENDOR), OwnKey()
    _add_forged(attacker, handler, vendor + key.public, vendor, key)


@by_proc_mem()
def mixed_certificates(attacker: Attacker, handler: Handler) -> None:
    """Have the kernel trust the key of one certificate by the signature of another.

    As `forged_key`, but the attacker's own certificate lies before the vendor's. The kernel's
    parser reads the first certificate. It finds the same key there, but another signature.
    """
    with attacker.setup():
        vendor, key = attacker.read_file(VENDOR), OwnKey()
        blob = key.certificate() + vendor
    _add_forged(attacker, handler, blob, vendor, key)


def _add_forged(
    attacker: Attacker, handler: Handler, blob: bytes, vendor: bytes, key: OwnKey
) -> None:
    """Overwrite the parser, so that it has the kernel take the key for the vendor's, and use it."""
    with attacker.setup():
        ring = trusted_keyring(attacker)
        reply = forged_reply(blob, vendor, key.public)
    replace_parser(attacker, handler, "umd_x509_parse", reply)
    added = add_certificate(attacker, blob, ring)
    verify(attacker, added, sha256(MESSAGE).digest(), key.sign(MESSAGE))
