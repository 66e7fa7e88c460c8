# SPDX-License-Identifier: GPL-2.0-only
"""Keys in the kernel: a keyring that takes only keys that a trusted key has signed."""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.attacker import Attacker

KEY_SPEC_PROCESS_KEYRING = 0xFFFFFFFE
"""-2 as the kernel's 32-bit key_serial_t."""
KEYCTL_PKEY_VERIFY = 28
KEYCTL_RESTRICT_KEYRING = 29


def trusted_keyring(attacker: Attacker) -> int:
    """Make a keyring that takes a key only if a key in the kernel has signed it; return its id."""
    ring = attacker.syscall("add_key", "keyring", "vouched", 0, 0, KEY_SPEC_PROCESS_KEYRING)
    attacker.syscall("keyctl", KEYCTL_RESTRICT_KEYRING, ring, "asymmetric", "builtin_trusted")
    return ring


def add_key(attacker: Attacker, file: bytes, ring: int) -> int:
    """Add the key in a certificate, OpenPGP packets or a PKCS#7 message; return its id."""
    return attacker.syscall("add_key", "asymmetric", 0, file, len(file), ring)


def verify(
    attacker: Attacker,
    key: int,
    message: bytes,
    signature: bytes,
    *,
    encoding: str = "pkcs1",
    algorithm: str = "sha256",
) -> None:
    """Have the kernel verify the signature of a message, by default RSA (PKCS #1) and SHA-256.

    Raises GuestError if the signature is wrong.
    """
    digest = hashlib.new(algorithm, message).digest()
    sizes = struct.pack("<iII28x", key, len(digest), len(signature))
    info = f"enc={encoding} hash={algorithm}"
    attacker.syscall("keyctl", KEYCTL_PKEY_VERIFY, sizes, info, digest, signature)
