# SPDX-License-Identifier: GPL-2.0-only
"""Keys on a curve that gpg makes, and signatures by them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from openpgp_packets import fingerprint
from small_archive import gpg

if TYPE_CHECKING:
    from pathlib import Path

_HASHES = {8: "sha256", 9: "sha384", 10: "sha512"}
"""The kernel's names of OpenPGP's hash algorithms."""


class Signed(NamedTuple):
    """A signature: the bytes that it covers, the hash algorithm, and itself, as X9.62 has it."""

    covered: bytes
    algorithm: str
    signature: bytes


@dataclass(frozen=True)
class Signer:
    """A key: where gpg has it, and its packets, which are a public key, a user ID, a signature."""

    home: Path
    packets: bytes

    @property
    def fingerprint(self) -> str:
        """The key's fingerprint, in hexadecimal digits."""
        return fingerprint(bodies(self.packets)[0])

    def sign(self, document: bytes) -> Signed:
        """Have gpg sign a document."""
        (self.home / "document").write_bytes(document)
        made = gpg(self.home, "--output", "-", "--detach-sign", str(self.home / "document"))
        (body,) = bodies(made)
        end = 6 + int.from_bytes(body[4:6])
        covered = document + body[:end] + b"\4\xff" + end.to_bytes(4)
        numbers = end + 2 + int.from_bytes(body[end : end + 2]) + 2
        r, rest = _number(body[numbers:])
        s, _ = _number(rest)
        return Signed(covered, _HASHES[body[3]], encode_dss_signature(r, s))


def new_signer(home: Path, curve: str) -> Signer:
    """Have gpg make a key on a curve, in a folder of its own."""
    gpg(home, "--quick-generate-key", f"A {curve} signer", curve, "sign", "never")
    return Signer(home, gpg(home, "--export"))


def bodies(packets: bytes) -> list[bytes]:
    """Return the bodies of packets whose headers are of the old format, as gpg writes them."""
    found = []
    while packets:
        start = 1 + (1 << (packets[0] & 3))
        end = start + int.from_bytes(packets[1:start])
        found.append(packets[start:end])
        packets = packets[end:]
    return found


def _number(data: bytes) -> tuple[int, bytes]:
    """Return a multiprecision integer, and what is behind it."""
    end = 2 + (int.from_bytes(data[:2]) + 7) // 8
    return int.from_bytes(data[2:end]), data[end:]
