# SPDX-License-Identifier: GPL-2.0-only
"""The build tools whose version decides what an image holds."""

from __future__ import annotations

import hashlib
from pathlib import Path

from harness.host.commands import find_tool, output_of

_VERSIONED = ("gcc", "ld", "pahole", "klcc")


def toolchain() -> list[tuple[str, str]]:
    """Return tool → first line of its version, and the hash of the handlers' C library."""
    found = []
    for tool in _VERSIONED:
        _, output = output_of([tool, "--version"], deadline=20.0)
        found.append((tool, output.partition("\n")[0]))
    library = Path(find_tool("klcc")).resolve().parent.parent / "lib/klibc/lib/libc.a"
    if library.is_file():
        found.append(("klibc", hashlib.sha256(library.read_bytes()).hexdigest()))
    return found
