# SPDX-License-Identifier: GPL-2.0-only
"""The handler that parses PKCS#7 messages: which keys the kernel then trusts."""

from __future__ import annotations

import struct
from errno import EINVAL, EKEYREJECTED, EMSGSIZE, ENOKEY, ENOPKG, EOVERFLOW
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from parsing_lab import (
    Keys,
    check_nested,
    check_refused,
    handler,
    keys,
    lab_with,
    lates,
    parked,
    variant,
)

from harness.attacker import GuestError
from harness.attacker.tools.certificates import OwnKey
from harness.attacker.tools.keyrings import (
    KEY_SPEC_PROCESS_KEYRING,
    trusted_keyring,
    verify,
)
from harness.attacker.tools.signed_messages import (
    CONTENT,
    SIGNED_DATA,
    content_of,
    digest_of,
    forged_reply,
    with_content,
)
from harness.guests.der import CONTEXT, der, inside, parts, replaced
from harness.guests.vendor import CERTIFICATE, MESSAGE
from harness.model.handlers import PKCS7
from harness.scenarios.stakes import UNSIGNED, replace_parser
from harness.scenarios.stakes_signed_messages import forged_signed_key
from harness.witness.tally import Violation

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.lab.lab import Lab
    from harness.witness.handler import Handler
    from harness.witness.reader import Witness

__all__ = ["handler", "keys", "lates", "parked", "variant"]

SIGNER = 32
"""Where the signer is in a reply (struct umd_pkcs7), and where its parts are in it."""
HASH, SIGNATURE, DIGEST, ATTRIBUTES = SIGNER + 24, SIGNER + 48, SIGNER + 56, SIGNER + 64
DATA, COUNT = 16, 28
SIGNATURE_SIZE = 256
"""Bytes of the vendor's signature, which ends the message. With other bytes in place of zeros, it
depends on the machine's key whether the kernel says EINVAL or EBADMSG."""
SIGNERS = *SIGNED_DATA, 3


@pytest.fixture(scope="session")
def lab(kernel_line: str) -> Lab:
    """A shipped kernel line with the handler that parses PKCS#7 messages."""
    return lab_with(PKCS7, kernel_line)


@pytest.fixture
def vendor(attacker: Attacker) -> bytes:
    """A message with a vendor's key, which a key in the kernel has signed."""
    return attacker.read_file(MESSAGE)


def with_certificate(vendor: bytes, certificate: bytes) -> bytes:
    """Return a message with a certificate before its signers."""
    *before, signers = (der(*part) for part in parts(inside(vendor, SIGNED_DATA)))
    return replaced(vendor, SIGNED_DATA, b"".join([*before, der(CONTEXT, certificate), signers]))


def test_the_kernel_trusts_the_signed_key_alone(
    attacker: Attacker, witness: Witness, keys: Keys, vendor: bytes
) -> None:
    """The name of the key is the digest. Another key is refused, with its own digest as well."""
    ring = trusted_keyring(attacker)
    key = keys.add(vendor, ring)
    name = f"PKCS#7: {digest_of(vendor)[:20].hex()}: UMD.rsa"
    assert name in attacker.read_file("/proc/keys").decode()
    with pytest.raises(GuestError, match=r"(EINVAL|EBADMSG|EKEYREJECTED) at keyctl"):
        verify(attacker, key, UNSIGNED, OwnKey().sign(UNSIGNED))
    assert keys.refused(with_content(vendor, OwnKey().public), ring) == EKEYREJECTED
    own = OwnKey().public
    other = replaced(vendor, CONTENT, own).replace(digest_of(vendor), sha256(own).digest())
    assert keys.refused(other, ring) == EKEYREJECTED
    assert not witness.read().violations


@pytest.mark.parametrize(
    ("what", "errno"),
    [
        ("cut", EINVAL),
        ("noise", EINVAL),
        ("one byte", EINVAL),
        ("empty", EINVAL),
        ("certificate", EINVAL),
        ("too long", EMSGSIZE),
        ("another signature", EINVAL),
        ("another signer", ENOKEY),
        ("a certificate in it", EOVERFLOW),
        ("two signers", EOVERFLOW),
    ],
)
def test_what_is_no_signed_key_is_refused(
    attacker: Attacker, witness: Witness, keys: Keys, vendor: bytes, what: str, errno: int
) -> None:
    """The next request is answered, and the next key is taken."""
    name = b"umd-harness"
    blob = {
        "cut": vendor[:-100],
        "noise": b"\x30" * 2000,
        "one byte": b"0",
        "empty": b"",
        "certificate": attacker.read_file(CERTIFICATE),
        "too long": vendor.ljust(2045, b"\0"),
        "another signature": vendor[:-SIGNATURE_SIZE] + bytes(SIGNATURE_SIZE),
        "another signer": vendor.replace(name, name.upper()),
        "two signers": replaced(vendor, SIGNERS, 2 * inside(vendor, SIGNERS)),
        "a certificate in it": with_certificate(vendor, attacker.read_file(CERTIFICATE)),
    }[what]
    check_refused(attacker, witness, keys, blob, errno, vendor)


@pytest.mark.parametrize("variant", ["baseline"], indirect=True)
@pytest.mark.parametrize(
    ("lie", "errno"),
    [
        ("behind the message", EINVAL),
        ("content behind the message", EINVAL),
        ("no content", ENOPKG),
        ("no status", EINVAL),
        ("a restart", EINVAL),
        ("no signer", ENOPKG),
        ("more signers", ENOPKG),
        ("an unknown hash", ENOPKG),
        ("another algorithm", ENOPKG),
        ("another encoding", ENOPKG),
        ("another hash", EKEYREJECTED),
        ("no attributes", ENOPKG),
        ("other attributes", EKEYREJECTED),
        ("no signature", EINVAL),
    ],
)
def test_a_reply_that_is_no_signed_key_is_refused(
    attacker: Attacker, parked: Handler, keys: Keys, vendor: bytes, lie: str, errno: int
) -> None:
    """The handler has been taken over. The kernel checks each part of its reply (C14)."""
    content = content_of(vendor)
    reply = bytearray(forged_reply(vendor, content, digest_of(vendor)))
    (at,) = struct.unpack_from("<I", reply, ATTRIBUTES)
    place, value = {
        "behind the message": (SIGNATURE, struct.pack("<I", len(vendor))),
        "content behind the message": (DATA, struct.pack("<I", len(vendor))),
        "no content": (DATA + 4, struct.pack("<I", 0)),
        "another algorithm": (SIGNER + 16, b"dsa"),
        "another encoding": (SIGNER + 40, b"raw\0\0"),
        "no status": (0, struct.pack("<i", 1)),
        "a restart": (0, struct.pack("<i", -512)),
        "no signer": (COUNT, struct.pack("<I", 0)),
        "more signers": (COUNT, struct.pack("<I", 2)),
        "an unknown hash": (HASH, b"sha25\0"),
        "another hash": (HASH, b"sha512"),
        "no attributes": (ATTRIBUTES + 4, struct.pack("<I", 0)),
        "other attributes": (ATTRIBUTES, struct.pack("<I", at - 1)),
        "no signature": (SIGNATURE + 4, struct.pack("<I", 0)),
    }[lie]
    reply[place : place + len(value)] = value
    lying = partial(replace_parser, attacker, parked, "umd_pkcs7_parse", bytes(reply))
    assert keys.refused(vendor, trusted_keyring(attacker), first=lying) == errno


@pytest.mark.parametrize("variant", ["baseline"], indirect=True)
@pytest.mark.parametrize(
    ("lie", "at"),
    [
        ("nothing", None),
        ("digest", DIGEST),
        ("signature", SIGNATURE + 4),
        ("attributes", ATTRIBUTES + 4),
        ("serial number", ATTRIBUTES + 12),
        ("issuer", ATTRIBUTES + 20),
    ],
)
def test_a_lie_about_all_but_the_content_is_believed_wrongly(
    attacker: Attacker,
    parked: Handler,
    witness: Witness,
    keys: Keys,
    vendor: bytes,
    lie: str,
    at: int | None,
) -> None:
    """The digest is a copy behind the message. Of another part, the last byte is missing.

    The control is the true reply. The keyring takes a key with any signature.
    """
    own = OwnKey()
    digest = sha256(own.public).digest()
    message = replaced(vendor, CONTENT, own.public).replace(digest_of(vendor), digest)
    reply = bytearray(forged_reply(message, own.public, digest))
    if lie == "digest":
        struct.pack_into("<I", reply, DIGEST, len(message))
    elif at is not None:
        (length,) = struct.unpack_from("<I", reply, at)
        struct.pack_into("<I", reply, at, length - 1)
    lying = partial(replace_parser, attacker, parked, "umd_pkcs7_parse", bytes(reply))
    key = keys.add(message + digest, KEY_SPEC_PROCESS_KEYRING, first=lying)
    verify(attacker, key, UNSIGNED, own.sign(UNSIGNED))
    assert (Violation.BELIEVED in witness.read().violations) is (lie != "nothing")


def test_the_handler_reads_all_kinds_of_messages_rightly(witness: Witness) -> None:
    """Every second request is a message with a random content, signer and time."""
    right = witness.read().count.right
    tally = witness.wait(lambda t: t.count.right > right + 200, seconds=120, what="right replies")
    assert not tally.count.wrong


def test_a_digest_outside_the_attributes_is_refused_if_nested(lab: Lab) -> None:
    check_nested(lab, forged_signed_key)
