# SPDX-License-Identifier: GPL-2.0-only
"""The handler that parses OpenPGP packets: which keys the kernel then trusts."""

from __future__ import annotations

import struct
from errno import EINVAL, EKEYREJECTED, EMSGSIZE, ENOKEY, ENOPKG, EOVERFLOW
from functools import partial
from typing import TYPE_CHECKING

import pytest
from openpgp_packets import fingerprint
from parsing_lab import (
    Keys,
    check_nested,
    check_refused,
    find_key,
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
from harness.attacker.tools.openpgp import forged_reply, split, with_key
from harness.guests.vendor import CERTIFICATE, KEY, NAME, OPENPGP, key_body, packet
from harness.model.handlers import PGP
from harness.scenarios.stakes import UNSIGNED, replace_parser
from harness.scenarios.stakes_openpgp import forged_openpgp_key
from harness.witness.tally import Violation

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.lab.lab import Lab
    from harness.witness.handler import Handler
    from harness.witness.reader import Witness

__all__ = ["handler", "keys", "lates", "parked", "variant"]

HEADER = 3
"""The bytes before the body of each of the vendor's packets."""
FIRST = 8
"""Where the first packet is in a reply (struct umd_pgp), and the size of each."""
SIZE = 96


@pytest.fixture(scope="session")
def lab(kernel_line: str) -> Lab:
    """A shipped kernel line with the handler that parses OpenPGP packets."""
    return lab_with(PGP, kernel_line)


@pytest.fixture
def vendor(attacker: Attacker) -> bytes:
    """A vendor's key, its name, and a signature of both by a key in the kernel."""
    return attacker.read_file(OPENPGP)


def test_the_kernel_trusts_the_vendors_key_alone(
    attacker: Attacker, witness: Witness, keys: Keys, vendor: bytes
) -> None:
    """The name is among what is signed, and no signature by another key is right."""
    ring = trusted_keyring(attacker)
    key = keys.add(vendor, ring)
    assert f"OpenPGP: {NAME.decode()}: UMD.rsa" in attacker.read_file("/proc/keys").decode()
    with pytest.raises(GuestError, match=r"(EINVAL|EBADMSG|EKEYREJECTED) at keyctl"):
        verify(attacker, key, UNSIGNED, OwnKey().sign(UNSIGNED))
    assert keys.refused(vendor.replace(NAME, b"A vendor"), ring) == EKEYREJECTED
    other = bytearray(vendor)
    other[HEADER + 20] ^= 1
    assert keys.refused(bytes(other), ring) == EKEYREJECTED
    assert not witness.read().violations


def test_a_key_that_the_packets_hold_is_believed_rightly(
    attacker: Attacker, witness: Witness, keys: Keys, vendor: bytes
) -> None:
    """Into a keyring that takes any key. The signature is not this key's, and is not verified."""
    own = OwnKey()
    _, name, signature = split(vendor)
    blob = packet(KEY, key_body(own.private.public_key())) + name + signature
    assert keys.refused(blob, trusted_keyring(attacker)) == EKEYREJECTED
    key = keys.add(blob, KEY_SPEC_PROCESS_KEYRING)
    verify(attacker, key, UNSIGNED, own.sign(UNSIGNED))
    assert not witness.read().violations & Violation.BELIEVED


def test_a_key_is_found_by_its_fingerprint(attacker: Attacker, keys: Keys, vendor: bytes) -> None:
    """Or by the last digits of it, but by no others."""
    key = keys.add(vendor, KEY_SPEC_PROCESS_KEYRING)
    digits = fingerprint(split(vendor)[0][HEADER:])
    assert [find_key(attacker, end) for end in (digits, digits[-8:])] == [key, key]
    for other in (digits[:-2], "00" + digits):
        with pytest.raises(GuestError, match="ENOKEY at keyctl"):
            find_key(attacker, other)


@pytest.mark.parametrize(
    ("what", "errno"),
    [
        ("cut", EINVAL),
        ("noise", EINVAL),
        ("one byte", EINVAL),
        ("empty", EINVAL),
        ("certificate", EINVAL),
        ("too long", EMSGSIZE),
        ("too many packets", EOVERFLOW),
        ("no signature", ENOPKG),
        ("another order", ENOPKG),
        ("version 3", ENOPKG),
        ("signed by SHA-1", ENOPKG),
        ("another issuer", ENOKEY),
    ],
)
def test_what_is_no_signed_key_is_refused(
    attacker: Attacker, witness: Witness, keys: Keys, vendor: bytes, what: str, errno: int
) -> None:
    """The next request is answered, and the next key is taken."""
    key, name, signature = split(vendor)
    digest = HEADER + 3  # the hash algorithm, in the signature
    start = HEADER + 6 + 6 + 3  # of the fingerprint, in the signature
    blob = {
        "cut": vendor[:-100],
        "noise": b"\x25" * 2000,
        "one byte": b"0",
        "empty": b"",
        "certificate": attacker.read_file(CERTIFICATE),
        "too long": vendor.ljust(2045, b"\0"),
        "too many packets": vendor + name,
        "no signature": key + name,
        "another order": name + key + signature,
        "version 3": key[:HEADER] + b"\3" + key[HEADER + 1 :] + name + signature,
        "signed by SHA-1": key + name + signature[:digest] + b"\2" + signature[digest + 1 :],
        "another issuer": key + name + signature[:start] + bytes(20) + signature[start + 20 :],
    }[what]
    check_refused(attacker, witness, keys, blob, errno, vendor)


@pytest.mark.parametrize("variant", ["baseline"], indirect=True)
@pytest.mark.parametrize(
    ("lie", "errno"),
    [
        ("behind the packets", EINVAL),
        ("no status", EINVAL),
        ("a restart", EINVAL),
        ("no packets", ENOPKG),
        ("more packets", ENOPKG),
        ("an unknown hash", ENOPKG),
        ("no number", EINVAL),
    ],
)
def test_a_reply_that_is_no_signed_key_is_refused(
    attacker: Attacker, parked: Handler, keys: Keys, vendor: bytes, lie: str, errno: int
) -> None:
    """The handler has been taken over. The kernel checks each part of its reply (C14)."""
    public = OwnKey().private.public_key()
    blob = with_key(vendor, public)
    reply = bytearray(forged_reply(blob, public))
    number, signature = FIRST + 24 + 5 * 8, FIRST + 2 * SIZE
    at, value = {
        "behind the packets": (number, len(blob)),
        "no status": (0, 1),
        "a restart": (0, -512),
        "no packets": (4, 0),
        "more packets": (4, 4),
        "an unknown hash": (signature + 16, 7),
        "no number": (signature + 24 + 5 * 8 + 4, 0),
    }[lie]
    struct.pack_into("<i", reply, at, value)
    lying = partial(replace_parser, attacker, parked, "umd_pgp_parse", bytes(reply))
    assert keys.refused(blob, trusted_keyring(attacker), first=lying) == errno


@pytest.mark.parametrize("variant", ["baseline"], indirect=True)
def test_a_lie_about_the_time_alone_is_believed_wrongly(
    attacker: Attacker, parked: Handler, witness: Witness, keys: Keys, vendor: bytes
) -> None:
    """A manager may rely on each field. The control: the true reply is not `believed`."""
    own = OwnKey()
    _, name, signature = split(vendor)
    public = own.private.public_key()
    blob = packet(KEY, key_body(public)) + name + signature
    truth = forged_reply(blob, public)
    lie = bytearray(truth)
    struct.pack_into("<I", lie, FIRST + 20, 1)
    for reply, is_lie in ((truth, False), (bytes(lie), True)):
        lying = partial(replace_parser, attacker, parked, "umd_pgp_parse", reply)
        key = keys.add(blob, KEY_SPEC_PROCESS_KEYRING, first=lying)
        verify(attacker, key, UNSIGNED, own.sign(UNSIGNED))
        assert (Violation.BELIEVED in witness.read().violations) is is_lie


def test_the_handler_reads_all_kinds_of_packets_rightly(witness: Witness) -> None:
    """Every second request has up to three packets, in random encodings."""
    right = witness.read().count.right
    tally = witness.wait(lambda t: t.count.right > right + 200, seconds=120, what="right replies")
    assert not tally.count.wrong


def test_a_key_outside_its_packet_is_refused_if_nested(lab: Lab) -> None:
    check_nested(lab, forged_openpgp_key)
