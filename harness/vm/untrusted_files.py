# SPDX-License-Identifier: GPL-2.0-only
"""What QEMU leaves in its directory, where a guest that took it over may put anything."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from harness.host.errors import VmLost

if TYPE_CHECKING:
    from pathlib import Path


def take_over(source: Path, target: Path) -> None:
    """Move a file that QEMU wrote, as ours and for QEMU to read only. Follows no link."""
    source.rename(target)
    with os.fdopen(open_untrusted(target)) as file:
        os.fchown(file.fileno(), os.geteuid(), os.getegid())
        os.fchmod(file.fileno(), 0o444)


def open_untrusted(path: Path) -> int:
    """Open what QEMU wrote to read it: a regular file, and no link. Raises VmLost."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise VmLost(f"QEMU left no file {path.name}")
    return fd
