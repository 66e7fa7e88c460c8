# SPDX-License-Identifier: GPL-2.0-only
"""A vendor's PKCS#7 message with the attacker's content, and a forged reply about it."""

from __future__ import annotations

import struct
from hashlib import sha256

from harness.guests.der import SET, der, inside, replaced

_REPLY = struct.Struct("<iIII2III" + "IIq8s16s8s" + 5 * "2I")
"""struct umd_pkcs7 without certificates, and with one signer (overlay/tools/umd/pkcs7.h)."""
_VERSION = 1
_ATTRIBUTES = 0b101
"""The type of the content, and its digest (sinfo_has_* of the kernel's pkcs7_parser.h)."""

SIGNED_DATA = 0, 1, 0
CONTENT = *SIGNED_DATA, 2, 1, 0
_SIGNER = *SIGNED_DATA, 3, 0
_ISSUER, _NUMBER, _SIGNED, _SIGNATURE = (1, 0), (1, 1), (3,), (5,)
"""Where the parts are in a message, and in its signer: the place among the parts around each."""


def with_content(vendor: bytes, content: bytes) -> bytes:
    """Return a vendor's message with this content, and the content's digest behind it.

    The digest in the attributes, which are signed, remains that of the vendor's content.
    """
    return replaced(vendor, CONTENT, content + sha256(content).digest())


def forged_reply(blob: bytes, content: bytes, digest: bytes) -> bytes:
    """Return a reply that names these parts of a message as its content and its digest.

    All else that the kernel uses of the reply is true of the message.
    """
    signature, attributes, number, issuer = (
        inside(blob, (*_SIGNER, *path)) for path in (_SIGNATURE, _SIGNED, _NUMBER, _ISSUER)
    )
    hashed = der(SET, attributes)[1:]
    spans = (signature, digest, hashed, number, issuer)
    return _REPLY.pack(
        *(0, _VERSION, 0, 0),
        *(blob.index(content), len(content)),
        *(0, 1),
        *(_ATTRIBUTES, 0, 0, b"rsa", b"sha256", b"pkcs1"),
        *(value for part in spans for value in (blob.index(part), len(part))),
    )


def content_of(message: bytes) -> bytes:
    """Return the content of a message."""
    return inside(message, CONTENT)


def digest_of(message: bytes) -> bytes:
    """Return the digest of the content, which is the value of the last attribute."""
    return inside(message, (*_SIGNER, *_SIGNED, -1, 1, 0))
