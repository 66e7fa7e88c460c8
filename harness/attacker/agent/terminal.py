# SPDX-License-Identifier: GPL-2.0-only
"""A root shell on a pseudoterminal of the guest; the agent holds its controlling end.

It needs neither console nor network, so it works the same on every engine.
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

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/sbin:/usr/sbin:/usr/local/bin:/bin:/usr/bin",
    "HOME": "/root",
}
"""The environment of root in the guest."""
_PROMPT = {"PS1": "umd# ", "ENV": "/etc/shrc"}


class Terminal:
    """A program on its own pseudoterminal. Reads and writes do not block."""

    def __init__(self, attacker: Attacker, command: Sequence[str], *, kind: str) -> None:
        """Start `command` on a new pseudoterminal, with `kind` as its TERM.

        Raises SetupFailed if the guest has no pseudoterminals or no such command.
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
                env=ENVIRONMENT | _PROMPT | {"TERM": kind},
            )
            attacker.close(peer)

    def resize(self, columns: int, lines: int) -> None:
        """Set the terminal's size."""
        size = struct.pack("<4H", lines, columns, 0, 0)
        with suppress(GuestError):
            self._attacker.syscall("ioctl", self._end, termios.TIOCSWINSZ, size)

    def read(self) -> bytes | None:
        """Return the output since the last read; None once the program has ended.

        Other processes may still use the terminal then.
        """
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
        """Send input, as much as the terminal accepts now; return how many bytes."""
        try:
            return self._attacker.write(self._end, typed[:_CHUNK])
        except GuestError as error:
            if error.errno in (EAGAIN, EIO):  # full, or hung up, which the next read reports
                return 0
            raise
