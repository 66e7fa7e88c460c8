# SPDX-License-Identifier: GPL-2.0-only
"""Usermode helpers: programs that the kernel starts from a kernel thread of its own.

Root chooses the program through /proc/sys/kernel/modprobe, /proc/sys/kernel/core_pattern and
similar files (kernel/umh.c).
"""

from __future__ import annotations

from errno import EAFNOSUPPORT
from os import O_RDWR
from socket import SOCK_STREAM
from stat import S_IFIFO
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError

if TYPE_CHECKING:
    from harness.attacker.agent.attacker import Attacker

_MODPROBE = "/proc/sys/kernel/modprobe"
_AF_X25 = 9
"""An address family that this kernel does not support and asks modprobe for."""
_GATE = "/tmp/gate"  # noqa: S108 - the guest's, not ours


def start_as_helper(attacker: Attacker, path: str) -> None:
    """Make the kernel start the program at `path` in place of modprobe; return when it has ended.

    The program's path replaces modprobe's, a socket of an unsupported family makes the kernel
    call modprobe, and modprobe's path is restored. Raises GuestError where root may not set the
    path.
    """
    modprobe = attacker.read_file(_MODPROBE)
    attacker.write_file(_MODPROBE, path.encode())
    try:
        attacker.syscall("socket", _AF_X25, SOCK_STREAM, 0)
    except GuestError as error:
        if error.errno != EAFNOSUPPORT:
            raise
    attacker.write_file(_MODPROBE, modprobe)


class Gate:
    """A FIFO that blocks a usermode helper until the FIFO has a byte for it.

    `helper` is the guest path of the program that blocks (payload `wait_at_gate`).
    """

    def __init__(self, attacker: Attacker) -> None:
        """Create the FIFO and put the payload into the guest, as set-up."""
        self._attacker = attacker
        with attacker.setup():
            attacker.syscall("mknod", _GATE, S_IFIFO | 0o600, 0)
        self.helper = attacker.payload("wait_at_gate")

    def open(self) -> None:
        """Release all helpers that wait, and those that come later, up to 4096."""
        self._attacker.open(_GATE, O_RDWR).write(bytes(4096))
