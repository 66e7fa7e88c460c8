# SPDX-License-Identifier: GPL-2.0-only
"""The QEMU that is installed."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

from harness.errors import UserError

QEMU = "qemu-system-x86_64"


@cache
def qemu_identity() -> tuple[str, int, int]:
    """Tell this QEMU from another by its file, without the time it takes to run it.

    Path, size in bytes, time of change in ns. Raises UserError if there is none.
    """
    found = shutil.which(QEMU)
    if found is None:
        raise UserError(f"{QEMU} is not installed", hint="run ./run, which installs it")
    status = Path(found).stat()
    return found, status.st_size, status.st_mtime_ns
