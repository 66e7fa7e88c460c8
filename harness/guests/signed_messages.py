# SPDX-License-Identifier: GPL-2.0-only
"""PKCS#7 messages (RFC 5652) that a key in the kernel has signed: the same for the same content.

openssl(1) puts the time into the attributes, so that each message of its would be another.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from harness.guests.der import CONTEXT, INTEGER, NULL, OCTETS, OID, SEQUENCE, SET, der

if TYPE_CHECKING:
    from harness.kernel.build.signing import SigningKey

_PKCS = bytes.fromhex("2a864886f70d01")
_RSA = bytes([1, 1])
_DATA, _SIGNED_DATA = bytes([7, 1]), bytes([7, 2])
_CONTENT_TYPE, _MESSAGE_DIGEST = bytes([9, 3]), bytes([9, 4])
_SHA256 = bytes.fromhex("608648016503040201")
_VERSION = b"\1"


def message(key: SigningKey, content: bytes) -> bytes:
    """Return a message with this content, whose digest is among the attributes that `key` signs."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    signer, signed_by = key.opened()
    attributes = _attribute(_CONTENT_TYPE, _oid(_DATA))
    attributes += _attribute(_MESSAGE_DIGEST, der(OCTETS, sha256(content).digest()))
    number = signed_by.serial_number
    return unsigned(
        content,
        signed_by.issuer.public_bytes(),
        number.to_bytes(number.bit_length() // 8 + 1, "big"),
        der(CONTEXT, attributes),
        signer.sign(der(SET, attributes), PKCS1v15(), SHA256()),
    )


def unsigned(
    content: bytes, issuer: bytes, number: bytes, attributes: bytes, signature: bytes
) -> bytes:
    """Return a message of these parts. The attributes, in DER, can be left out."""
    hashed = der(SEQUENCE, der(OID, _SHA256), der(NULL))
    signed = der(
        SEQUENCE,
        der(INTEGER, _VERSION),
        der(SEQUENCE, issuer, der(INTEGER, number)),
        hashed,
        attributes,
        der(SEQUENCE, _oid(_RSA), der(NULL)),
        der(OCTETS, signature),
    )
    inner = der(SEQUENCE, _oid(_DATA), der(CONTEXT, der(OCTETS, content)))
    parts = der(INTEGER, _VERSION), der(SET, hashed), inner, der(SET, signed)
    return der(SEQUENCE, _oid(_SIGNED_DATA), der(CONTEXT, der(SEQUENCE, *parts)))


def _oid(name: bytes) -> bytes:
    return der(OID, _PKCS + name)


def _attribute(name: bytes, value: bytes) -> bytes:
    return der(SEQUENCE, _oid(name), der(SET, value))
