# SPDX-License-Identifier: GPL-2.0-only
"""Certificates that are made here, of which every part is known."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
Hash = SHA256 | SHA384 | SHA512 | None

FROM = datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC)
UNTIL = datetime(2061, 12, 31, tzinfo=UTC)
AUTHORITY = bytes(range(20))
KEYS: dict[str, tuple[Key, Hash, tuple[str, ...]]] = {
    "rsa": (rsa.generate_private_key(65537, 2048), SHA512(), ("rsa", "rsa", "sha512", "pkcs1")),
    "p256": (
        ec.generate_private_key(ec.SECP256R1()),
        SHA256(),
        ("ecdsa-nist-p256", "ecdsa", "sha256", "x962"),
    ),
    "p384": (
        ec.generate_private_key(ec.SECP384R1()),
        SHA384(),
        ("ecdsa-nist-p384", "ecdsa", "sha384", "x962"),
    ),
}


ISSUER = (
    x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Makers"),
    x509.NameAttribute(NameOID.COMMON_NAME, "Root of trust"),
)


def made(key: Key, algorithm: Hash, issuer: Sequence[x509.NameAttribute[str]] = ISSUER) -> bytes:
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Leaf")]))
        .issuer_name(x509.Name(issuer))
        .public_key(key.public_key())
        .serial_number(0x1234567890ABCDEF)
        .not_valid_before(FROM)
        .not_valid_after(UNTIL)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier(AUTHORITY, None, None), critical=False)
    )
    return builder.sign(key, algorithm).public_bytes(Encoding.DER)
