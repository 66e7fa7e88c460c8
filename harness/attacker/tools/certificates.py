# SPDX-License-Identifier: GPL-2.0-only
"""Keys and certificates of an attacker, and what a handler that parses could reply about them."""

from __future__ import annotations

import datetime
import struct
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_REPLY = struct.Struct("<iIqqII16s8s16s8s" + 15 * "2I")
"""struct umd_x509 (overlay/tools/umd/x509.h)."""
_OID_RSA = 10
"""OID_rsaEncryption of the kernel's enum OID."""


def _new_key() -> RSAPrivateKey:
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    return generate_private_key(65537, 2048)


@dataclass(frozen=True)
class OwnKey:
    """An RSA key of the attacker."""

    private: RSAPrivateKey = field(default_factory=_new_key)

    @property
    def public(self) -> bytes:
        """Its public half, as certificates have it (RFC 8017, RSAPublicKey)."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return self.private.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)

    def sign(self, message: bytes) -> bytes:
        """Return a signature (PKCS #1) of the SHA-256 of a message."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        return self.private.sign(message, PKCS1v15(), SHA256())

    def certificate(self) -> bytes:
        """Return a certificate with this key, in DER, of an issuer that does not exist."""
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.serialization import Encoding
        from cryptography.x509 import (
            AuthorityKeyIdentifier,
            CertificateBuilder,
            Name,
            NameAttribute,
            NameOID,
            SubjectKeyIdentifier,
        )

        public = self.private.public_key()

        def named(text: str) -> Name:
            return Name([NameAttribute(NameOID.COMMON_NAME, text)])

        start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
        made = (
            CertificateBuilder()
            .subject_name(named("an attacker"))
            .issuer_name(named("nobody"))
            .public_key(public)
            .serial_number(int.from_bytes(sha256(self.public).digest()[:19], "big"))
            .not_valid_before(start)
            .not_valid_after(start + datetime.timedelta(days=3650))
            .add_extension(SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
            .sign(self.private, SHA256())
        )
        return made.public_bytes(Encoding.DER)


def forged_reply(blob: bytes, vendor: bytes, key: bytes) -> bytes:
    """Return a reply about a blob that has a vendor's certificate and a key somewhere.

    All of it is true of the certificate, but for the key, and for its usage and times.
    """
    from cryptography.x509 import (
        AuthorityKeyIdentifier,
        SubjectKeyIdentifier,
        load_der_x509_certificate,
    )

    known = load_der_x509_certificate(vendor)
    authority = known.extensions.get_extension_for_class(AuthorityKeyIdentifier).value
    subject = known.extensions.get_extension_for_class(SubjectKeyIdentifier).value

    def span(part: bytes | None) -> tuple[int, int]:
        return (blob.index(part), len(part)) if part else (0, 0)

    # DER puts a zero byte before a number whose first bit is set.
    serial = known.serial_number.to_bytes(known.serial_number.bit_length() // 8 + 1, "big")

    name = known.subject.public_bytes()[2:]  # without the header of a short name
    spans = [
        span(known.tbs_certificate_bytes),
        span(known.signature),
        span(serial),
        span(known.issuer.public_bytes()[2:]),
        span(name),
        span(key),
        span(b"\5\0"),  # the parameters of RSA
        span(subject.digest),
        (0, 0),
        (0, 0),
        span(authority.key_identifier),
        *(2 * [(0, 0), span(name[-8:])]),
    ]
    algorithms = b"rsa", b"rsa", b"sha256", b"pkcs1"
    return _REPLY.pack(0, 0, 0, 0, _OID_RSA, 0, *algorithms, *(n for pair in spans for n in pair))
