# SPDX-License-Identifier: GPL-2.0-only
"""Files that an invented vendor has signed, for handlers that parse. Each guest has them."""

from __future__ import annotations

import struct
from hashlib import sha256, sha512, shake_256
from typing import TYPE_CHECKING

from harness.guests.signed_messages import message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.x509 import Certificate

    from harness.kernel.build.signing import SigningKey

CERTIFICATE = "/etc/vendor.der"
PACKAGE = "/etc/vendor.package"
OPENPGP = "/etc/vendor.pgp"
MESSAGE = "/etc/vendor.p7m"

NAME = b"a vendor"

SUMMARY, DIGESTS, ALGORITHM = 1004, 1035, 5011
"""Tags of entries (rpmtag.h of rpm): a text, the digests of the files, their algorithm."""
INT32, STRING, STRING_ARRAY = 4, 6, 8
"""Types of entries."""
SHA256 = 8
"""The algorithm's number (RFC 4880)."""
_MAGIC = bytes.fromhex("8eade80100000000")

SIGNATURE, KEY, USER_ID = 2, 6, 13
"""Tags of OpenPGP packets (RFC 4880)."""
_RSA, _SHA512 = 1, 10
_CERTIFICATION, _CREATED, _FINGERPRINT = 0x10, 2, 33


def header(*entries: tuple[int, int, int, bytes]) -> bytes:
    """Return the header of an RPM package with these entries: tag, type, count, content."""
    index, store = b"", b""
    for tag, kind, count, content in entries:
        index += struct.pack(">IIII", tag, kind, len(store), count)
        store += content
    return _MAGIC + struct.pack(">II", len(entries), len(store)) + index + store


def package(key: SigningKey) -> bytes:
    """Return the signed header of a package, as the witness takes it.

    The package has one file. Its summary ends with the digest of the file that it replaces.
    """
    old, new = (sha256(text).hexdigest() for text in (b"with a bug", b"without the bug"))
    made = header(
        (ALGORITHM, INT32, 1, struct.pack(">I", SHA256)),
        (SUMMARY, STRING, 1, f"A program. It replaces {old}\0".encode()),
        (DIGESTS, STRING_ARRAY, 1, f"{new}\0".encode()),
    )
    return signed(key, made)


def signed(key: SigningKey, made: bytes) -> bytes:
    """Return a header with its length before it, and a message that signs it behind it."""
    return struct.pack("<I", len(made)) + made + key.message(made)


def _public_key(issuer: Certificate) -> tuple[RSAPublicKey, int]:
    """Return the vendor's key, whose private key nobody has, and a serial number."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
    from cryptography.hazmat.primitives.serialization import Encoding

    drawn = shake_256(issuer.public_bytes(Encoding.PEM)).digest(276)
    modulus = int.from_bytes(drawn[:256], "big") | 1 << 2047 | 1
    return RSAPublicNumbers(65537, modulus).public_key(), int.from_bytes(drawn[256:], "big") >> 1


def certificate(key: SigningKey, names: Sequence[str] = ()) -> bytes:
    """Return the vendor's certificate, in DER, with these alternative names of the vendor."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding

    signer, issuer = key.opened()
    public, serial = _public_key(issuer)
    name = x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME.decode())
    keyid = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([name]))
        .issuer_name(issuer.subject)
        .public_key(public)
        .serial_number(serial)
        .not_valid_before(issuer.not_valid_before_utc)
        .not_valid_after(issuer.not_valid_after_utc)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(keyid),
            critical=False,
        )
    )
    if names:
        others = x509.SubjectAlternativeName(map(x509.DNSName, names))
        made = made.add_extension(others, critical=False)
    return made.sign(signer, SHA256()).public_bytes(Encoding.DER)


def packet(tag: int, body: bytes) -> bytes:
    """Return an OpenPGP packet."""
    return struct.pack(">BH", 0x80 | tag << 2 | 1, len(body)) + body


def key_body(public: RSAPublicKey) -> bytes:
    """Return the body of an OpenPGP packet with this key, created in 2020."""
    numbers = public.public_numbers()
    head = struct.pack(">BIB", 4, 1577836800, _RSA)
    return head + multiprecision(numbers.n) + multiprecision(numbers.e)


def multiprecision(number: int) -> bytes:
    """Return a multiprecision integer of OpenPGP: its length in bits, then its bytes."""
    bits = number.bit_length()
    return struct.pack(">H", bits) + number.to_bytes((bits + 7) // 8, "big")


def openpgp(key: SigningKey, body: bytes = b"") -> bytes:
    """Return OpenPGP packets: public key, user ID, certification of both by `key`.

    `body` is that of the public key's packet; by default, the key is the vendor's.

    The signature names its issuer by the issuer fingerprint (RFC 9580, subpacket 33). The kernel
    knows no OpenPGP fingerprint of its keys. So the subject key identifier of the kernel's
    certificate is there.
    """
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA512
    from cryptography.x509 import SubjectKeyIdentifier

    signer, issuer = key.opened()
    body = body or key_body(_public_key(issuer)[0])
    keyid = issuer.extensions.get_extension_for_class(SubjectKeyIdentifier).value.digest
    subpackets = struct.pack(">BBI", 5, _CREATED, 1577836800)
    subpackets += struct.pack(">BBB", 2 + len(keyid), _FINGERPRINT, 4) + keyid
    hashed = struct.pack(">BBBBH", 4, _CERTIFICATION, _RSA, _SHA512, len(subpackets)) + subpackets
    covered = (
        struct.pack(">BH", 0x99, len(body)) + body + struct.pack(">BI", 0xB4, len(NAME)) + NAME
    )
    covered += hashed + struct.pack(">BBI", 4, 0xFF, len(hashed))
    made = int.from_bytes(signer.sign(covered, PKCS1v15(), SHA512()), "big")
    signature = hashed + bytes(2) + sha512(covered).digest()[:2] + multiprecision(made)
    return packet(KEY, body) + packet(USER_ID, NAME) + packet(SIGNATURE, signature)


def signed_key(key: SigningKey) -> bytes:
    """Return a PKCS#7 message, signed by `key`, with the vendor's public key (RFC 8017) in it."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public, _ = _public_key(key.opened()[1])
    return message(key, public.public_bytes(Encoding.DER, PublicFormat.PKCS1))


def vendor_files(key: SigningKey) -> Mapping[str, bytes]:
    """Return the files by their paths in a guest: the same for the same key."""
    return {
        CERTIFICATE: certificate(key),
        PACKAGE: package(key),
        OPENPGP: openpgp(key),
        MESSAGE: signed_key(key),
    }
