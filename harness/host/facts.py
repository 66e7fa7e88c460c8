# SPDX-License-Identifier: GPL-2.0-only
"""Facts about the host: its processors, its memory, its operating system. Never its name."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

_MODEL = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)
_CPUINFO = Path("/proc/cpuinfo")


def cpu_model() -> str:
    """Return the name of the processor's model; empty if the kernel does not say."""
    try:
        found = _MODEL.search(_CPUINFO.read_text(errors="replace"))
    except OSError:
        return ""
    return found[1].strip() if found else ""


def memory_mib() -> int:
    """Return the size of the memory in MiB."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20


def system() -> str:
    """Return the operating system with its release, such as `Debian GNU/Linux 13 (trixie)`."""
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()
