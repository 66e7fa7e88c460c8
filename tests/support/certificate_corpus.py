# SPDX-License-Identifier: GPL-2.0-only
"""Certificates and messages from packages of test vectors, which are fetched when first needed."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGES = ("cryptography-vectors", "asn1crypto-tests")
"""Packages on PyPI."""

_ENCODED = re.compile(rb"^M[A-Za-z0-9+/]{10,}\s*(?:[A-Za-z0-9+/=]+\r?\n)*", re.MULTILINE)
"""Lines of base64 that begin with a sequence."""


def fetch(folder: Path) -> list[Path]:
    """Return the packages as zip files, fetched by pip into `folder` if they are not there."""
    for package in PACKAGES:
        if not list(folder.glob(f"{package.replace('-', '_')}-*.whl")):
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            subprocess.run([*pip, "--dest", str(folder), package], check=True, timeout=600)
    return sorted(folder.glob("*.whl"))


def blobs(archives: list[Path]) -> dict[bytes, str]:
    """Return what is DER in the archives, by itself or encoded, once each, and its file."""
    found: dict[bytes, str] = {}
    for archive in archives:
        with zipfile.ZipFile(archive) as opened:
            for name in opened.namelist():
                for blob in _in_file(name, opened.read(name)):
                    found.setdefault(blob, f"{archive.name.split('-')[0]}: {name}")
    return found


def _in_file(name: str, content: bytes) -> Iterator[bytes]:
    if content[:1] == b"\x30":
        yield content
        return
    if name.endswith(".json"):
        content = content.replace(rb"\n", b"\n")
    for match in _ENCODED.finditer(content):
        encoded = b"".join(match[0].split())
        if len(encoded) % 4 == 0:
            yield base64.b64decode(encoded)
