# SPDX-License-Identifier: GPL-2.0-only
"""The handler that parses OpenPGP packets: keys on a curve, which gpg makes (ECDSA)."""

from __future__ import annotations

import shutil
import struct
from errno import EINVAL, EKEYREJECTED, ENOKEY, ENOPKG
from functools import partial
from typing import TYPE_CHECKING

import pytest
from handler_process import running
from handler_programs import programs, tree
from openpgp_signers import Signer, bodies, new_signer
from parsing_lab import Keys, find_key, handler, keys, lab_with, lates, parked, variant
from small_archive import run

from harness.attacker import GuestError
from harness.attacker.tools.certificates import OwnKey
from harness.attacker.tools.keyrings import (
    KEY_SPEC_PROCESS_KEYRING,
    KEYCTL_RESTRICT_KEYRING,
    trusted_keyring,
    verify,
)
from harness.guests.vendor import KEY, OPENPGP, SIGNATURE, USER_ID, key_body, packet
from harness.model.handlers import PGP
from harness.scenarios.stakes import UNSIGNED, replace_parser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.attacker import Attacker
    from harness.lab.lab import Lab
    from harness.witness.handler import Handler
    from harness.witness.reader import Witness

__all__ = ["handler", "keys", "lates", "parked", "programs", "tree", "variant"]

pytestmark = pytest.mark.skipif(not shutil.which("gpg"), reason="there is no gpg here")

ALGORITHMS = {
    "nistp256": "ecdsa-nist-p256",
    "nistp384": "ecdsa-nist-p384",
    "nistp521": "ecdsa-nist-p521",
}
"""The kernel's names of ECDSA, by gpg's names of the curves."""
OTHERS = ("ed25519", "brainpoolP256r1", "secp256k1")
"""Curves that the kernel has no ECDSA for."""
OID = 6
"""Where a curve's object identifier is in the body of a key, behind its length."""
REPLY = 8 + 3 * 96
"""The bytes of a reply with three packets (struct umd_pgp)."""
NUMBERS = 8 + 24 + 5 * 8
"""Where the numbers of the key are in it: the object identifier, then the point."""


@pytest.fixture(scope="session")
def lab(kernel_line: str) -> Lab:
    """A shipped kernel line with the handler that parses OpenPGP packets."""
    return lab_with(PGP, kernel_line)


@pytest.fixture(scope="session")
def algorithms(kernel_line: str) -> dict[str, str]:
    """ALGORITHMS that the kernel has: ECDSA on P-521 came with Linux 6.10."""
    return {c: name for c, name in ALGORITHMS.items() if kernel_line != "6.1" or c != "nistp521"}


@pytest.fixture(scope="session")
def signers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Signer]]:
    """A key on each curve."""
    homes = tmp_path_factory.mktemp("gnupg")
    made = {curve: new_signer(homes / curve, curve) for curve in (*ALGORITHMS, *OTHERS)}
    yield made
    for signer in made.values():
        run("gpgconf", "--homedir", str(signer.home), "--kill", "gpg-agent", cwd=homes)


def with_body(signer: Signer, body: bytes) -> bytes:
    """Return a signer's packets with another key, which the signature does not cover."""
    _, name, signature = bodies(signer.packets)
    return packet(KEY, body) + packet(USER_ID, name) + packet(SIGNATURE, signature)


def with_point(signer: Signer, change: Callable[[bytes], bytes]) -> bytes:
    """Return a signer's packets with another point."""
    body = bodies(signer.packets)[0]
    start = OID + 1 + body[OID] + 2
    point = change(body[start:])
    bits = 8 * (len(point) - 1) + point[0].bit_length()
    return with_body(signer, body[: start - 2] + bits.to_bytes(2) + point)


def with_curve(signer: Signer, curve: bytes) -> bytes:
    """Return a signer's packets with the object identifier of another curve."""
    body = bodies(signer.packets)[0]
    rest = body[OID + 1 + body[OID] :]
    return with_body(signer, body[:OID] + bytes([len(curve)]) + curve + rest)


def keyring_of(attacker: Attacker, key: int) -> int:
    """Make a keyring that takes a key only if this one has signed it."""
    ring = attacker.syscall("add_key", "keyring", "signed", 0, 0, KEY_SPEC_PROCESS_KEYRING)
    rule = f"key_or_keyring:{key}"
    attacker.syscall("keyctl", KEYCTL_RESTRICT_KEYRING, ring, "asymmetric", rule)
    return ring


def test_a_key_on_a_curve_verifies_what_gpg_signed(
    attacker: Attacker,
    witness: Witness,
    keys: Keys,
    signers: dict[str, Signer],
    algorithms: dict[str, str],
) -> None:
    """The key is found by its fingerprint. No other message, signature or key is right."""
    for curve, algorithm in algorithms.items():
        signer = signers[curve]
        key = keys.add(signer.packets, KEY_SPEC_PROCESS_KEYRING)
        described = f"OpenPGP: A {curve} signer: UMD.{algorithm} {signer.fingerprint[-8:]} []"
        assert described in attacker.read_file("/proc/keys").decode()
        assert find_key(attacker, signer.fingerprint) == key

        covered, hashed, signature = signer.sign(UNSIGNED)
        ways = {"encoding": "x962", "algorithm": hashed}
        verify(attacker, key, covered, signature, **ways)
        changed = bytearray(signature)
        changed[-1] ^= 1
        for message, other in ((covered + b"\0", signature), (covered, bytes(changed))):
            with pytest.raises(GuestError, match="EKEYREJECTED at keyctl"):
                verify(attacker, key, message, other, **ways)
        with pytest.raises(GuestError, match="EINVAL at keyctl"):
            verify(attacker, key, covered, signature)
    assert not witness.read().violations


def test_a_keyring_takes_what_a_key_on_a_curve_has_signed(
    attacker: Attacker,
    witness: Witness,
    keys: Keys,
    signers: dict[str, Signer],
    algorithms: dict[str, str],
) -> None:
    """Each key has signed itself. With another key or name the signature is wrong."""
    for curve in algorithms:
        signer = signers[curve]
        assert keys.refused(signer.packets, trusted_keyring(attacker)) == ENOKEY
        ring = keyring_of(attacker, keys.add(signer.packets, KEY_SPEC_PROCESS_KEYRING))
        keys.add(signer.packets, ring)
        name = f"A {curve} signer".encode()
        assert keys.refused(signer.packets.replace(name, name.upper()), ring) == EKEYREJECTED
        own = with_body(signer, key_body(OwnKey().private.public_key()))
        assert keys.refused(own, ring) == EKEYREJECTED
    assert not witness.read().violations


def test_what_is_no_key_on_a_known_curve_is_refused(
    attacker: Attacker,
    witness: Witness,
    keys: Keys,
    signers: dict[str, Signer],
    algorithms: dict[str, str],
) -> None:
    """Afterwards, the kernel takes the vendor's key."""
    signer = signers["nistp256"]
    curves = {
        curve: bodies(made.packets)[0][OID + 1 :][: bodies(made.packets)[0][OID]]
        for curve, made in signers.items()
    }
    blobs = {
        **{curve: (signers[curve].packets, ENOPKG) for curve in signers.keys() - algorithms},
        "no curve": (with_curve(signer, b""), ENOPKG),
        "a part of the identifier": (with_curve(signer, curves["nistp256"][:-1]), ENOPKG),
        "a longer identifier": (with_curve(signer, curves["nistp256"] + b"\1"), ENOPKG),
        "an unsupported curve": (with_curve(signer, curves["brainpoolP256r1"]), ENOPKG),
        "a larger curve": (with_curve(signer, curves["nistp384"]), EINVAL),
        "a short point": (with_point(signer, lambda point: point[:-1]), EINVAL),
        "a long point": (with_point(signer, lambda point: point + b"\0"), EINVAL),
        "a compressed point": (with_point(signer, lambda point: b"\2" + point[1:33]), EINVAL),
        "another first byte": (with_point(signer, lambda point: b"\6" + point[1:]), EINVAL),
        "no point": (with_body(signer, bodies(signer.packets)[0][:-67]), EINVAL),
    }
    ring = KEY_SPEC_PROCESS_KEYRING
    found = {name: keys.refused(blob, ring) for name, (blob, _) in blobs.items()}
    assert found == {name: errno for name, (_, errno) in blobs.items()}
    keys.add(attacker.read_file(OPENPGP), trusted_keyring(attacker))
    tally = witness.read()
    assert not (tally.count.wrong or tally.violations)


def test_a_point_that_is_not_on_the_curve_verifies_nothing(
    attacker: Attacker, keys: Keys, signers: dict[str, Signer]
) -> None:
    """As with a certificate, the kernel checks this when the key is used."""
    signer = signers["nistp256"]
    blob = with_point(signer, lambda point: point[:-1] + bytes([point[-1] ^ 1]))
    key = keys.add(blob, KEY_SPEC_PROCESS_KEYRING)
    covered, hashed, signature = signer.sign(UNSIGNED)
    with pytest.raises(GuestError, match="EINVAL at keyctl"):
        verify(attacker, key, covered, signature, encoding="x962", algorithm=hashed)


@pytest.mark.parametrize("variant", ["baseline"], indirect=True)
def test_a_reply_about_a_key_on_a_curve_is_checked(
    attacker: Attacker, parked: Handler, keys: Keys, signers: dict[str, Signer], programs: Path
) -> None:
    """The handler has been taken over. The kernel checks the curve and the point (C14)."""
    signer = signers["nistp256"]
    blob = signer.packets
    with running(programs / "pgp") as honest:
        reply = honest.ask(blob)[:REPLY]
    (oid, oid_size, point, point_size) = struct.unpack_from("<4I", reply, NUMBERS)
    lies = {
        "behind the packets": ((oid, oid_size, len(blob) - 64, point_size), EINVAL),
        "around the end of the numbers": ((oid, oid_size, point, 2**32 - 1), EINVAL),
        "a short point": ((oid, oid_size, point, 1), EINVAL),
        "no point": ((oid, oid_size, 0, 0), EINVAL),
        "another first byte": ((oid, oid_size, point - 1, point_size), EINVAL),
        "the curve behind the packets": ((len(blob), oid_size, point, point_size), EINVAL),
        "another curve": ((oid + 1, oid_size, point, point_size), ENOPKG),
        "no curve": ((0, 0, point, point_size), ENOPKG),
    }
    for name, (numbers, errno) in lies.items():
        lie = bytearray(reply)
        struct.pack_into("<4I", lie, NUMBERS, *numbers)
        lying = partial(replace_parser, attacker, parked, "umd_pgp_parse", bytes(lie))
        assert keys.refused(blob, KEY_SPEC_PROCESS_KEYRING, first=lying) == errno, name
    honest_again = partial(replace_parser, attacker, parked, "umd_pgp_parse", reply)
    keys.add(blob, KEY_SPEC_PROCESS_KEYRING, first=honest_again)
