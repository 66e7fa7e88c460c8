# SPDX-License-Identifier: GPL-2.0-only
"""The key that signs the guests' modules: one per cache, never in a build, an image or a guest."""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from harness.cache.places import SIGNING
from harness.cache.store import Store
from harness.host.commands import clean_environment, find_tool
from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.x509 import Certificate

TRUSTED = "certs/umd-harness.pem"
"""Where a kernel build finds the certificate, beside its objects: CONFIG_SYSTEM_TRUSTED_KEYS."""

_SECONDS = 120.0  # an RSA key takes well under one
_PRIVATE, _CERTIFICATE = "private.pem", "certificate.pem"

# What module-signing.rst asks of the certificate. The name tells nothing of the machine.
_REQUEST = """\
[req]
prompt = no
string_mask = utf8only
distinguished_name = name
x509_extensions = extensions
[name]
CN = umd-harness
[extensions]
basicConstraints = critical,CA:FALSE
keyUsage = digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""
# RSA: its signatures are the same each time, and fast to verify, which each guest does without KVM.
_NEW_KEY = ("openssl", "req", "-x509", "-new", "-nodes", "-batch", "-utf8", "-sha512")
_RSA = ("-newkey", "rsa:2048", "-days", "36500", "-config", "/dev/stdin")
# As scripts/sign-file does: a detached CMS message without a time, certificates or attributes.
_SIGN = ("openssl", "cms", "-sign", "-binary", "-noattr", "-nocerts", "-nosmimecap")
_DER = ("-md", "sha512", "-outform", "DER")

_PKCS7 = 2  # enum pkey_id_type, include/linux/module_signature.h
_INFO = struct.Struct(">5B3xI")  # struct module_signature: only id_type and sig_len are used
_MAGIC = b"~Module signature appended~\n"


@dataclass(frozen=True)
class SigningKey:
    """A private key and its certificate, in PEM; `certificate` is all that kernels learn."""

    private: Path
    certificate: Path

    @property
    def digest(self) -> str:
        """The certificate's SHA-256, which is among what decides an image."""
        return hashlib.sha256(self.certificate.read_bytes()).hexdigest()

    def trust(self, objects: Path) -> None:
        """Put the certificate where a build in `objects` looks; touch nothing if it is there."""
        target, wanted = objects / TRUSTED, self.certificate.read_bytes()
        if not target.is_file() or target.read_bytes() != wanted:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(wanted)

    def sign(self, module: bytes) -> bytes:
        """Return the module with a signature appended: the same bytes each time."""
        message = self.message(module)
        return module + message + _INFO.pack(0, 0, _PKCS7, 0, 0, len(message)) + _MAGIC

    def message(self, data: bytes) -> bytes:
        """Return a PKCS #7 message, in DER, that signs these bytes: the same each time."""
        signer = ("-signer", str(self.certificate), "-inkey", str(self.private))
        return _openssl((*_SIGN, *_DER, *signer), data)

    def opened(self) -> tuple[RSAPrivateKey, Certificate]:
        """Return the private key and the certificate as objects of `cryptography`."""
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
        from cryptography.x509 import load_pem_x509_certificate

        private = load_pem_private_key(self.private.read_bytes(), None)
        certificate = load_pem_x509_certificate(self.certificate.read_bytes())
        return cast("RSAPrivateKey", private), certificate


def unsigned(module: bytes) -> bytes:
    """Return a module without its signature, if it has one: what a change makes wrong.

    A kernel that asks for no signature loads a module without one, and none with a wrong one.
    """
    if not module.endswith(_MAGIC):
        return module
    end = len(module) - len(_MAGIC) - _INFO.size
    *_, length = _INFO.unpack_from(module, end)
    return module[: end - length]


def signing_key(cache: Path) -> SigningKey:
    """Return the cache's key; make it if there is none. Raises UserError.

    Only the owner may read the folder. A new key replaces a lost one; kernel images are then built
    again, because the certificate is in their key: no image trusts a lost key.
    """
    place = SIGNING.path(cache)
    lock = place.with_name(f"{place.name}.lock")
    # mkdir() takes mode 0700 whatever the umask, and openssl gets a umask of its own.
    store = Store(cache, seconds=_SECONDS, is_sealed=False, mode=0o700, lock=lock)
    key = SigningKey(place / _PRIVATE, place / _CERTIFICATE)
    store.find_or_make(place.name, _make)
    for path in (key.private, key.certificate):
        if not path.is_file() or not os.access(path, os.R_OK):
            raise UserError(
                f"{path}, of the key that signs modules, is missing or cannot be read",
                hint=f"remove {place}: another key is made, and the kernel linked anew",
            )
    return key


def _make(new: Path) -> None:
    out = ("-keyout", str(new / _PRIVATE), "-out", str(new / _CERTIFICATE))
    _openssl((*_NEW_KEY, *_RSA, *out), _REQUEST.encode())


def _openssl(command: Sequence[str], given: bytes) -> bytes:
    """Run openssl so that only the owner can read the files that it makes; return its output."""
    try:
        done = subprocess.run(
            [find_tool(command[0]), *command[1:]],
            input=given,
            capture_output=True,
            env=clean_environment(),
            umask=0o077,
            timeout=_SECONDS,
            check=True,
        )
    except subprocess.TimeoutExpired:
        raise UserError(
            f"openssl did not end within {_SECONDS:.0f} s", hint="see what keeps the machine busy"
        ) from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()
        raise UserError(
            f"openssl {command[1]} failed: {said[-1] if said else 'it said nothing'}",
            hint="see what `openssl version` says; the cache's folder `signing` may be damaged",
        ) from error
    return done.stdout
