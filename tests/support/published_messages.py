# SPDX-License-Identifier: GPL-2.0-only
"""The messages of the handler of keys and signatures that was posted in April 2023."""

from __future__ import annotations

import struct

REQUEST, REPLY = 8204, 3664
"""Bytes of struct msg_in and of struct msg_out."""

_IDS = struct.Struct("<3Q768s3Q768s")
_KEY = struct.Struct(f"<iQ1024si{_IDS.size}s256s")
_SIGNATURE = struct.Struct(f"<iQ1024s3i{_IDS.size}sQ1024s")
_ID = 256
_RSA, _SHA256, _PKCS1 = 0, 4, 0


def ids(*parts: bytes) -> bytes:
    """Return struct umd_asymmetric_key_ids. The last part may be too long: only its size counts."""
    sizes = [len(part) for part in parts] + [0] * (3 - len(parts))
    return _IDS.pack(*sizes, b"".join(part[:_ID].ljust(_ID, b"\0") for part in parts), 0, 0, 0, b"")


def key_reply(public: bytes, identifiers: bytes) -> bytes:
    """Return the reply that a file holds this RSA key (RFC 8017, RSAPublicKey)."""
    described = _KEY.pack(0, len(public), public, _RSA, identifiers, b"a vendor's key")
    return described.ljust(REPLY, b"\0")


def signature_reply(signature: bytes, identifiers: bytes, signed: bytes) -> bytes:
    """Return the reply that a file holds this signature: RSA, PKCS #1, SHA-256.

    `signed` is what the signature covers beside the content: the kernel appends it.
    """
    found = len(signature), signature, _RSA, _SHA256, _PKCS1
    return _SIGNATURE.pack(0, *found, identifiers, len(signed), signed).ljust(REPLY, b"\0")
