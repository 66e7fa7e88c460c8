# SPDX-License-Identifier: GPL-2.0-only
"""Writes guest-physical memory through QEMU's gdbstub, which QMP has no command for.

The stub stays attached: attaching pauses the machine, and only QMP resumes it. No breakpoint is
ever set, so the guest's own int3 and single steps stay its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import VmLost

if TYPE_CHECKING:
    import socket

SECONDS = 10.0
CHUNK = 1024
REPLY_MAX = 8192


def packet(payload: str) -> bytes:
    """A packet of the remote protocol: $payload#checksum."""
    data = payload.encode()
    return b"$%s#%02x" % (data, sum(data) % 256)


class Gdbstub:
    """A connection to the stub, in the mode where addresses are physical."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._pending = b""
        stream.settimeout(SECONDS)

    def connect(self) -> None:
        """Switch to physical addresses. Raises VmLost if the stub cannot."""
        self._expect_ok("Qqemu.PhyMemMode:1")

    def write(self, address: int, data: bytes) -> None:
        """Write to guest-physical memory while the machine is paused."""
        for start in range(0, len(data), CHUNK):
            chunk = data[start : start + CHUNK]
            self._expect_ok(f"M{address + start:x},{len(chunk):x}:{chunk.hex()}")

    def _expect_ok(self, payload: str) -> None:
        try:
            self._stream.sendall(packet(payload))
            reply = self._reply()
            self._stream.sendall(b"+")
        except OSError as error:
            raise VmLost(f"QEMU's gdbstub is gone: {error}") from error
        if reply != b"OK":
            raise VmLost(f"QEMU's gdbstub answers {reply!r} to {payload[:40]}")

    def _reply(self) -> bytes:
        """The next packet's payload; acknowledgements are skipped."""
        while b"#" not in self._pending or len(self._pending.partition(b"#")[2]) < 2:
            data = self._stream.recv(4096)
            if not data or len(self._pending) > REPLY_MAX:
                raise VmLost("QEMU's gdbstub hung up")
            self._pending += data
        head, _, tail = self._pending.partition(b"#")
        self._pending = tail[2:]
        return head.lstrip(b"+").removeprefix(b"$")
