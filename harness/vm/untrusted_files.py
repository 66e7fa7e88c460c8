# SPDX-License-Identifier: GPL-2.0-only
"""Files that QEMU wrote into its directory. A guest that controls QEMU may put anything there."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from harness.host.errors import VmLost

if TYPE_CHECKING:
    from pathlib import Path


def take_over(source: Path, target: Path) -> None:
    """Move a file that QEMU wrote to `target`, change its owner to us and its mode to 0444.

    Follows no symbolic link. Raises VmLost if the file is not a regular file.
    """
    source.rename(target)
    with os.fdopen(open_untrusted(target)) as file:
        os.fchown(file.fileno(), os.geteuid(), os.getegid())
        os.fchmod(file.fileno(), 0o444)


def open_untrusted(path: Path) -> int:
    """Open a file that QEMU wrote for reading; return its descriptor.

    Raises VmLost unless it is a regular file, and OSError for a symbolic link.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise VmLost(f"QEMU left no regular file {path.name}")
    return fd
