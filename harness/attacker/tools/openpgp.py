# SPDX-License-Identifier: GPL-2.0-only
"""A vendor's OpenPGP packets with the attacker's key, and a forged reply about them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from harness.guests.vendor import KEY, SIGNATURE, USER_ID, multiprecision, packet

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

_REPLY = struct.Struct("<iI")
_PACKET = struct.Struct("<6I18I")
"""struct umd_pgp and struct umd_pgp_packet (overlay/tools/umd/pgp.h)."""
_KEY = struct.Struct(">BIB")
"""What the body of a key begins with: version, time, algorithm."""
_SIGNATURE = struct.Struct(">4BH2xIBBB")
"""What a signature of the vendor's begins with, up to the fingerprint: version, type, algorithms,
the length of the subpackets, the time, the header of the fingerprint."""
_HEADER = 3
"""The bytes before the body of each of the vendor's packets."""
_EXPERIMENTAL = 100
"""The type of a subpacket for experiments (RFC 4880)."""
_NONE = (0, 0)


def with_key(vendor: bytes, public: RSAPublicKey) -> bytes:
    """Return a vendor's packets with a key in the unhashed subpackets of the signature."""
    *_, (start, length) = _bodies(vendor)
    signature = vendor[start : start + length]
    end = _end_of_hashed(signature)
    numbers = public.public_numbers()
    subpacket = bytes([_EXPERIMENTAL]) + multiprecision(numbers.n) + multiprecision(numbers.e)
    unhashed = struct.pack(">H", 0xC000 + len(subpacket) - 192) + subpacket
    changed = signature[:end] + struct.pack(">H", len(unhashed)) + unhashed + signature[end + 2 :]
    return vendor[: start - _HEADER] + packet(SIGNATURE, changed)


def forged_reply(blob: bytes, public: RSAPublicKey) -> bytes:
    """Return a reply about a vendor's packets that have this key somewhere.

    All of it is true of the packets, but for modulus and exponent of the vendor's key.
    """
    key, name, signature = _bodies(blob)
    numbers = public.public_numbers()
    found = [_span(blob, multiprecision(number)) for number in (numbers.n, numbers.e)]
    packets = [
        _key(blob, key, found),
        _packed((USER_ID, 0, 0, 0, 0, 0), name),
        _signature(blob, signature),
    ]
    return _REPLY.pack(0, len(packets)) + b"".join(packets)


def split(vendor: bytes) -> list[bytes]:
    """Return a vendor's packets one by one: the key, the user ID, the signature."""
    found = []
    while vendor:
        (length,) = struct.unpack_from(">xH", vendor)
        found.append(vendor[: _HEADER + length])
        vendor = vendor[_HEADER + length :]
    return found


def _bodies(vendor: bytes) -> list[tuple[int, int]]:
    """Return where the bodies of the packets are, each as offset and length."""
    bodies, at = [], 0
    for one in split(vendor):
        bodies.append((at + _HEADER, len(one) - _HEADER))
        at += len(one)
    return bodies


def _end_of_hashed(signature: bytes) -> int:
    """Return where the part of a signature's body ends that is signed."""
    (size,) = struct.unpack_from(">4xH", signature)
    return 6 + int(size)


def _span(blob: bytes, number: bytes) -> tuple[int, int]:
    """Return where a number is, without its length."""
    return blob.index(number) + 2, len(number) - 2


def _packed(fields: tuple[int, ...], *spans: tuple[int, int]) -> bytes:
    """Return a struct umd_pgp_packet. The spans that are not given are missing."""
    given = [number for span in spans for number in span]
    return _PACKET.pack(*fields, *given, *(18 - len(given)) * [0])


def _key(blob: bytes, body: tuple[int, int], numbers: list[tuple[int, int]]) -> bytes:
    version, created, algo = _KEY.unpack_from(blob, body[0])
    return _packed((KEY, version, 0, algo, 0, created), body, *(4 * [_NONE]), *numbers)


def _signature(blob: bytes, body: tuple[int, int]) -> bytes:
    start, length = body
    version, kind, algo, digest, _, created, fingerprint, *_ = _SIGNATURE.unpack_from(blob, start)
    hashed = _end_of_hashed(blob[start:])
    (unhashed,) = struct.unpack_from(">H", blob, start + hashed)
    rest = start + hashed + 2 + unhashed
    return _packed(
        (SIGNATURE, version, kind, algo, digest, created),
        body,
        (start, hashed),
        (rest, 2),
        _NONE,
        (start + _SIGNATURE.size, fingerprint - 2),
        (rest + 4, start + length - rest - 4),
    )
