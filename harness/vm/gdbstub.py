# SPDX-License-Identifier: GPL-2.0-only
"""Writes guest-physical memory through QEMU's gdbstub, and reads what guest_ram.py cannot.

QMP has no command that writes, and its pmemsave takes ten times as long to read, by way of a
file. The stub stays attached: attaching pauses the machine, and only QMP resumes it. No
breakpoint is ever set, so the guest's own int3 and single steps stay its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.host.errors import VmLost

if TYPE_CHECKING:
    import socket

SECONDS = 10.0
CHUNK = 1024
"""Bytes of memory in a packet, two hex digits each; QEMU's limit is 4096 (gdbstub/internals.h)."""
REPLY_MAX = 8192


def packet(payload: str) -> bytes:
    """Return a packet of gdb's remote protocol: $payload#checksum."""
    data = payload.encode()
    return b"$%s#%02x" % (data, sum(data) % 256)


class Gdbstub:
    """A connection to the stub in its physical memory mode. Its methods raise VmLost."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._pending = b""
        stream.settimeout(SECONDS)

    def connect(self) -> None:
        """Switch to physical addresses. Raises VmLost if the stub refuses."""
        self._expect_ok("Qqemu.PhyMemMode:1")

    def use_virtual(self) -> None:
        """Switch back to the guest's virtual addresses, for the user's gdb."""
        self._expect_ok("Qqemu.PhyMemMode:0")

    def read(self, address: int, size: int) -> bytes:
        """Read `size` bytes of guest-physical memory; the machine must be paused."""
        data = b""
        while (done := len(data)) < size:
            length = min(CHUNK, size - done)
            payload = f"m{address + done:x},{length:x}"
            reply = self._ask(payload)
            try:
                chunk = bytes.fromhex(reply.decode())
            except ValueError:
                chunk = b""
            if len(chunk) != length:
                raise VmLost(f"QEMU's gdbstub answers {reply[:40]!r} to {payload}")
            data += chunk
        return data

    def write(self, address: int, data: bytes) -> None:
        """Write `data` to guest-physical memory; the machine must be paused."""
        for start in range(0, len(data), CHUNK):
            chunk = data[start : start + CHUNK]
            self._expect_ok(f"M{address + start:x},{len(chunk):x}:{chunk.hex()}")

    def _expect_ok(self, payload: str) -> None:
        reply = self._ask(payload)
        if reply != b"OK":
            raise VmLost(f"QEMU's gdbstub answers {reply[:40]!r} to {payload[:40]}")

    def _ask(self, payload: str) -> bytes:
        try:
            self._stream.sendall(packet(payload))
            reply = self._reply()
            self._stream.sendall(b"+")
        except OSError as error:
            raise VmLost(f"QEMU's gdbstub is gone: {error}") from error
        return reply

    def _reply(self) -> bytes:
        """Return the payload of the next packet; skip acknowledgements."""
        while len((parts := self._pending.partition(b"#"))[2]) < len("xx"):
            data = self._stream.recv(4096)
            if not data or len(self._pending) > REPLY_MAX:
                raise VmLost("QEMU's gdbstub hung up")
            self._pending += data
        head, _, tail = parts
        self._pending = tail[2:]
        payload = head.lstrip(b"+").removeprefix(b"$")
        if tail[:2] != b"%02x" % (sum(payload) % 256):
            raise VmLost("QEMU's gdbstub sent a packet with a wrong checksum")
        return payload
