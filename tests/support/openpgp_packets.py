# SPDX-License-Identifier: GPL-2.0-only
"""Debian's OpenPGP keys, and what `gpg --list-packets` says of them."""

from __future__ import annotations

import re
import struct
import subprocess
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path

INSTALLED = Path("/usr/share/keyrings")
"""Of Debian's package `debian-archive-keyring`."""

KEY = bytes([4]) + struct.pack(">IB", 1700000000, 1) + b"\0\x09\x01\x23" + b"\0\x02\x03"
"""The body of a public key: version 4, RSA, two numbers."""

_PACKET = re.compile(r"^# off=(\d+) ctb=\w+ tag=(\d+) hlen=(\d+) plen=(\d+)", re.MULTILINE)
_KEY = re.compile(r"version (\d+), algo (\d+), created (\d+)")
_SIGNATURE = re.compile(
    r":signature packet: algo (\d+), keyid (\w+)\s+"
    r"version (\d+), created (\d+), md5len \d+, sigclass 0x(\w+)\s+"
    r"digest algo (\d+), begin of digest (\w\w) (\w\w)"
)
_FINGERPRINT = re.compile(r"subpkt 33 .*\(issuer fpr v4 (\w+)\)")
_BITS = re.compile(r"^\t(?:data|pkey\[\d\]): \[(\d+) bits\]", re.MULTILINE)


@dataclass(frozen=True)
class Packet:
    """A packet, as gpg lists it."""

    start: int
    body: int
    size: int
    tag: int
    text: str

    @property
    def key(self) -> tuple[int, ...] | None:
        """Return a key's version, algorithm and time."""
        found = _KEY.search(self.text)
        return tuple(map(int, found.groups())) if found else None

    @property
    def signature(self) -> tuple[object, ...] | None:
        """Return version, type, algorithm, hash, time, start of the digest, issuer."""
        found = _SIGNATURE.search(self.text)
        if not found:
            return None
        algo, issuer, version, created, kind, digest, *start = found.groups()
        numbers = (int(version), int(kind, 16), int(algo), int(digest), int(created))
        return (*numbers, bytes.fromhex("".join(start)), bytes.fromhex(issuer))

    @property
    def fingerprint(self) -> bytes:
        """Return the fingerprint of the key that made a signature; empty if it names none."""
        found = _FINGERPRINT.search(self.text)
        return bytes.fromhex(found[1]) if found else b""

    @property
    def bits(self) -> list[int]:
        """Return the length of each number; of what is no number, that of its bytes."""
        return [int(bits) for bits in _BITS.findall(self.text)]


def fingerprint(key: bytes) -> str:
    """Return the fingerprint (RFC 4880, 12.2) of the key with this body, in hexadecimal digits."""
    return sha1(b"\x99" + len(key).to_bytes(2) + key, usedforsecurity=False).hexdigest()


def packets_of(keyring: Path, home: Path) -> list[Packet]:
    """Return what gpg lists of a keyring. It stops with an error at what it cannot read."""
    command = ["gpg", "--homedir", str(home), "--list-packets", str(keyring)]
    done = subprocess.run(command, capture_output=True, timeout=600, check=False)
    said = done.stdout.decode(errors="replace")
    found = list(_PACKET.finditer(said))
    ends = [*(match.start() for match in found[1:]), len(said)]
    return [
        Packet(
            start=int(match[1]),
            body=int(match[1]) + int(match[3]),
            size=int(match[4]),
            tag=int(match[2]),
            text=said[match.end() : end],
        )
        for match, end in zip(found, ends, strict=True)
    ]


def certificates(packets: list[Packet]) -> list[list[Packet]]:
    """Split a keyring's packets before each public key."""
    split: list[list[Packet]] = []
    for packet in packets:
        if packet.tag == 6:
            split.append([])
        split[-1].append(packet)
    return split


def archive_keyrings() -> list[Path]:
    """Return the keyrings of Debian's archive."""
    return [path for path in sorted(INSTALLED.glob("*.pgp")) if not path.is_symlink()]


def debian_keyring(folder: Path) -> Path:
    """Return the keyring of Debian's developers, of the package `debian-keyring`."""
    place = folder / "usr/share/keyrings/debian-keyring.gpg"
    if not place.exists():
        subprocess.run(
            ["apt-get", "download", "debian-keyring"], cwd=folder, check=True, timeout=600
        )
        (package,) = folder.glob("debian-keyring_*.deb")
        subprocess.run(["dpkg", "-x", package, folder], check=True, timeout=600)
    return place
