# SPDX-License-Identifier: GPL-2.0-only
"""Where a person's gdb finds QEMU's stub: a socket in a folder of theirs, and what to type."""

from __future__ import annotations

import shlex
import socket
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Debugger:
    """A socket that listens for gdb, which nobody else may reach."""

    path: Path
    listener: socket.socket

    def command(self, vmlinux: Path) -> str:
        """Return the line that attaches gdb to the guest's kernel."""
        return shlex.join(["gdb", "-ex", f"target remote {self.path}", str(vmlinux)])


@contextmanager
def debugger() -> Iterator[Debugger]:
    """Listen for gdb until the end of the block. Raises UserError."""
    with (
        tempfile.TemporaryDirectory(prefix="umd-harness-gdb-") as folder,
        socket.socket(socket.AF_UNIX) as listener,
    ):
        path = Path(folder) / "gdb"
        try:
            listener.bind(str(path))
        except OSError as error:
            raise UserError(f"no socket at {path}: {error}", hint="set TMPDIR") from error
        listener.listen(1)
        yield Debugger(path, listener)
