# SPDX-License-Identifier: GPL-2.0-only
"""This terminal, given to a guest: what is typed goes there key by key, and Ctrl-a x leaves."""

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
_ESCAPE = b"\x01"  # Ctrl-a, as in QEMU's own
_LEAVE = b"x"


def check_terminal() -> None:
    """Raise UserError unless this is a terminal: a shell is for a person."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UserError(
            "shell takes a terminal, and standard input or output is none",
            hint="run it at one, or under `script -qc COMMAND /dev/null`",
        )


class Keyboard:
    """The keys of this terminal, which is raw in its `with` block.

    Ctrl-a x has `leave` called, by a thread of its own, so that a guest that hangs holds nobody;
    Ctrl-a Ctrl-a is a Ctrl-a.
    """

    def __init__(self, leave: Callable[[], None]) -> None:
        self.left = False
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
        """What was typed next, if it is within so many seconds."""
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
    """The keys that are the guest's, None for the way out; and whether a Ctrl-a came last."""
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
