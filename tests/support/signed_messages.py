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
    """Return one message of each form, or of each `step`th, and the options that made it."""
    key, cert, text = folder / "key.pem", folder / "cert.pem", folder / "text"
    text.write_bytes(b"What is signed.\n")
    _openssl(
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/O=Makers/CN=Signer"),
        *("-keyout", str(key), "-out", str(cert)),
    )
    signing = ("-signer", str(cert), "-inkey", str(key), "-in", str(text))
    found = {}
    for form in itertools.islice(itertools.product(*_FORMS), 0, None, step):
        options = " ".join(form).split()
        made = _openssl("cms", "-sign", "-binary", "-outform", "DER", *signing, *options)
        found[made] = f"openssl cms {' '.join(options)}"
    return found


def _openssl(*arguments: str) -> bytes:
    command = ["openssl", *arguments]
    return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
