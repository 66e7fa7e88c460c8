# SPDX-License-Identifier: GPL-2.0-only
"""System calls on open descriptors: read, write, close."""

from __future__ import annotations

from harness.attacker.agent.calls import SystemCalls
from harness.attacker.agent.protocol import Memory


class DescriptorCalls(SystemCalls):
    """System calls on descriptors of the agent. Each raises GuestError and VmLost as `syscall`."""

    def close(self, fd: int) -> None:
        """Close a descriptor of the agent (close(2))."""
        self.syscall("close", fd)

    def read(self, fd: int, size: int) -> bytes:
        """Read up to `size` bytes (read(2)); empty at the end of the file."""
        memory = Memory()
        args = fd, memory.room(size, by_result=True), size
        return self._transfer("read", args, memory, size).data[0]

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        """Read up to `size` bytes at `offset` (pread(2)); empty at the end of the file."""
        memory = Memory()
        args = fd, memory.room(size, by_result=True), size, offset
        return self._transfer("pread64", args, memory, size).data[0]

    def write(self, fd: int, data: bytes) -> int:
        """Write `data` (write(2)); return how many bytes were written."""
        memory = Memory()
        args = fd, memory.place(data), len(data)
        return self._transfer("write", args, memory, len(data)).result

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        """Write `data` at `offset` (pwrite(2)); return how many bytes were written."""
        memory = Memory()
        args = fd, memory.place(data), len(data), offset
        return self._transfer("pwrite64", args, memory, len(data)).result
