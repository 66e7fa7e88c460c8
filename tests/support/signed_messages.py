# SPDX-License-Identifier: GPL-2.0-only
"""Messages signed by openssl, in the forms that the kernel's parser knows."""

from __future__ import annotations

import itertools
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_FORMS = (
    ("-md sha256", "-md sha384", "-md sha512"),
    ("-noattr", "-nosmimecap"),
    ("", "-keyid"),
    ("", "-nodetach"),
    ("", "-nocerts"),
)


def sign_messages(folder: Path, *, step: int = 1) -> dict[bytes, str]:
    """Return one message of each form, or of each `step`th, and the options that made it.

    Further messages have two and three signers.
    """
    text = folder / "text"
    text.write_bytes(b"What is signed.\n")
    signers = [_signer(folder, number) for number in range(3)]

    def message(options: str, *signing: str) -> tuple[bytes, str]:
        command = ["cms", "-sign", "-binary", "-outform", "DER", "-in", str(text), *signing]
        return _openssl(*command, *options.split()), f"{options}, {len(signing) // 4} signers"

    forms = itertools.islice(itertools.product(*_FORMS), 0, None, step)
    found = dict(message(" ".join(filter(None, form)), *signers[0]) for form in forms)
    for count in (2, 3):
        found |= [message("-nosmimecap -nodetach", *itertools.chain(*signers[:count]))]
    return found


def _signer(folder: Path, number: int) -> tuple[str, ...]:
    """Make a key and its certificate; return openssl's options to sign with it."""
    key, cert = folder / f"key-{number}.pem", folder / f"cert-{number}.pem"
    _openssl(
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(cert)),
        *("-subj", f"/O=Makers/CN=Signer {number}"),
    )
    return "-signer", str(cert), "-inkey", str(key)


def _openssl(*arguments: str) -> bytes:
    command = ["openssl", *arguments]
    return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
