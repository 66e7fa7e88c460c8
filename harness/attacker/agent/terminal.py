# SPDX-License-Identifier: GPL-2.0-only
"""A root shell on a terminal of the guest's, which the agent holds the other end of.

It needs no console and no network: the same on every engine, in any state that an agent serves in.
"""

from __future__ import annotations

import struct
import termios
from contextlib import suppress
from errno import EAGAIN, EIO
from os import O_NOCTTY, O_NONBLOCK, O_RDWR, WNOHANG
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.attacker.agent.attacker import Attacker

_PTS = "/dev/pts"
_CHUNK = 16 << 10
_TIOCSPTLCK = 0x40045431  # include/uapi/asm-generic/ioctls.h
_TIOCGPTPEER = 0x5441

_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/sbin:/usr/sbin:/usr/local/bin:/bin:/usr/bin",
    "HOME": "/root",
    "PS1": "umd# ",
    "ENV": "/etc/shrc",
}


class Terminal:
    """A program on a terminal of its own; its reads and writes return at once."""

    def __init__(self, attacker: Attacker, command: Sequence[str], *, kind: str) -> None:
        """Start the command on a terminal that is, as TERM has it, of this kind.

        Raises SetupFailed where the guest has no terminal or not the command.
        """
        self._attacker = attacker
        self._has_ended = False
        with attacker.setup():
            if "pts" not in attacker.listdir("/dev"):
                attacker.mkdir(_PTS)
                attacker.mount("devpts", _PTS, "devpts")
            self._end = attacker.open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK).fd
            attacker.syscall("ioctl", self._end, _TIOCSPTLCK, bytes(4))
            peer = attacker.syscall("ioctl", self._end, _TIOCGPTPEER, O_RDWR | O_NOCTTY)
            path, *args = command
            self._pid = attacker.spawn(
                path,
                *args,
                stdin=peer,
                stdout=peer,
                stderr=peer,
                env=_ENVIRONMENT | {"TERM": kind},
            )
            attacker.close(peer)

    def resize(self, columns: int, lines: int) -> None:
        """Say how large it is."""
        size = struct.pack("<4H", lines, columns, 0, 0)
        with suppress(GuestError):
            self._attacker.syscall("ioctl", self._end, termios.TIOCSWINSZ, size)

    def read(self) -> bytes | None:
        """What was printed since; None once the program has ended, though others stay there."""
        try:
            return self._attacker.read(self._end, _CHUNK)
        except GuestError as error:
            if error.errno not in (EAGAIN, EIO):
                raise
        if self._has_ended:
            return None
        self._has_ended = self._attacker.waitpid(self._pid, WNOHANG)[0] == self._pid
        return b""

    def write(self, typed: bytes) -> int:
        """Type, as far as there is room for it; how many bytes."""
        try:
            return self._attacker.write(self._end, typed[:_CHUNK])
        except GuestError as error:
            if error.errno in (EAGAIN, EIO):  # the next read tells that it is left
                return 0
            raise
