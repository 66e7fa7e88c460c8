# SPDX-License-Identifier: GPL-2.0-only
"""Obstacles: why a selftest's program cannot run in a guest, or does not compile."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from elftools.elf.elffile import ELFFile

if TYPE_CHECKING:
    from pathlib import Path

_ELF, _SCRIPT = b"\x7fELF", b"#!"
_SHELLS = ("/bin/sh", "/bin/busybox")  # of a guest
_CAUSE = re.compile(r"error:|undefined reference|cannot find|Error 127")
_FAILED = re.compile(r"\*\*\* \[.*/kselftest/(\S+)\] Error")


def obstacle(program: Path) -> str:
    """Return why a guest cannot run a program: an interpreter or libraries are missing, or ''."""
    with program.open("rb") as file:
        first = file.readline(256)
        if first.startswith(_ELF):
            dynamic = any(part["p_type"] == "PT_INTERP" for part in ELFFile(file).iter_segments())
            return "is not static, and a guest has no libraries" if dynamic else ""
    if not first.startswith(_SCRIPT):
        return "is not a program"
    words = first.removeprefix(_SCRIPT).decode(errors="replace").split()
    if not words:
        return "names no interpreter"
    if words[0] in _SHELLS:
        return ""
    return f"needs {' '.join(words)}, which a guest does not have"


def causes(log: str) -> dict[str, str]:
    """Return, by program, the compiler's complaint before make's own."""
    causes, last = {}, ""
    for line in log.splitlines():
        if found := _FAILED.search(line):
            causes[found[1]] = last or line.strip()
            last = ""
        elif not last and _CAUSE.search(line):
            last = line.strip()
    return causes
