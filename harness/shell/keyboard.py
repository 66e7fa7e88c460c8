# SPDX-License-Identifier: GPL-2.0-only
"""The user's terminal in raw mode: each key goes to the guest, and Ctrl-a x leaves."""

from __future__ import annotations

import os
import queue
import select
import sys
import termios
import threading
import tty
from typing import TYPE_CHECKING, Self

from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK = 4096
_ESCAPE = b"\x01"  # Ctrl-a, as in QEMU's monitor
_LEAVE = b"x"


def check_terminal() -> None:
    """Raise UserError unless standard input and output are a terminal."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UserError(
            "shell needs a terminal, and standard input or output is none",
            hint="run it in a terminal, or under `script -qc COMMAND /dev/null`",
        )


class Keyboard:
    """The keys typed at the user's terminal, which is in raw mode in the `with` block.

    Ctrl-a x calls `leave` from its own thread, so that the user can leave a guest that hangs.
    Ctrl-a Ctrl-a sends one Ctrl-a.
    """

    def __init__(self, leave: Callable[[], None]) -> None:
        self.left = False
        """Whether the user has left."""
        self._leave = leave
        self._keys: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._input = sys.stdin.fileno()
        self._thread = threading.Thread(target=self._listen, name="keyboard", daemon=True)

    def __enter__(self) -> Self:
        self._before = termios.tcgetattr(self._input)
        self._done = os.eventfd(0)
        tty.setraw(self._input)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.eventfd_write(self._done, 1)
        self._thread.join()
        os.close(self._done)
        termios.tcsetattr(self._input, termios.TCSADRAIN, self._before)

    def take(self, seconds: float) -> bytes:
        """Return the next keys typed, or nothing if none are typed within `seconds`."""
        try:
            return self._keys.get(timeout=seconds)
        except queue.Empty:
            return b""

    def _listen(self) -> None:
        is_escaped = False
        while self._done not in select.select([self._input, self._done], [], [])[0]:
            try:
                typed = os.read(self._input, _CHUNK)
            except OSError:  # the terminal is gone
                typed = b""
            keys, is_escaped = unescaped(typed, is_escaped=is_escaped)
            self._keys.put(keys or b"")
            if keys is None or not typed:
                self.left = True
                self._leave()
                return


def unescaped(typed: bytes, *, is_escaped: bool) -> tuple[bytes | None, bool]:
    """Return the keys for the guest, None for Ctrl-a x, and whether the last key was a Ctrl-a."""
    keys = b""
    for key in (typed[at : at + 1] for at in range(len(typed))):
        if not is_escaped and key == _ESCAPE:
            is_escaped = True
            continue
        if is_escaped and key == _LEAVE:
            return None, False
        keys += key
        is_escaped = False
    return keys, is_escaped
