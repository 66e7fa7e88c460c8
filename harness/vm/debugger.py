# SPDX-License-Identifier: GPL-2.0-only
"""The socket at which the user's gdb reaches QEMU's gdbstub, and the command that connects."""

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


DEBUGGER = "debugger"
"""QEMU's name of the character device for gdb."""


@dataclass(frozen=True)
class Debugger:
    """A Unix socket that listens for gdb, in a folder that only its user may enter."""

    path: Path
    """The socket's path."""
    listener: socket.socket
    """The listening socket, which QEMU inherits."""

    def command(self, vmlinux: Path) -> str:
        """Return the shell command that attaches gdb to the guest's kernel."""
        return shlex.join(["gdb", "-ex", f"target remote {self.path}", str(vmlinux)])


@contextmanager
def debugger() -> Iterator[Debugger]:
    """Listen for gdb until the end of the block. Raises UserError if no socket can be created."""
    with (
        tempfile.TemporaryDirectory(prefix="umd-harness-gdb-") as folder,
        socket.socket(socket.AF_UNIX) as listener,
    ):
        path = Path(folder) / "gdb"
        try:
            listener.bind(str(path))
        except OSError as error:
            raise UserError(
                f"cannot create a socket at {path}: {error}",
                hint="set TMPDIR to a writable folder with a short path",
            ) from error
        listener.listen(1)
        yield Debugger(path, listener)


def listening(name: str, listener: socket.socket) -> list[str]:
    """Return QEMU's arguments for a character device that accepts connections at `listener`.

    QEMU must inherit the socket.
    """
    return ["-chardev", f"socket,id={name},fd={listener.fileno()},server=on,wait=off"]
