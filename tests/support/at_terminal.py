# SPDX-License-Identifier: GPL-2.0-only
"""A pseudoterminal that runs a command of the harness: a test types there and reads its output."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE = 600.0
QUIET_SECONDS = 3.0


class AtTerminal:
    """`umd-harness ARGUMENTS` on its own pseudoterminal, killed at the end of the `with` block."""

    def __init__(self, *arguments: str, where: Path | None = None) -> None:
        self.seen = b""
        self._controller, self._terminal = pty.openpty()
        self._before = termios.tcgetattr(self._terminal)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "harness.cli", *arguments],
            cwd=where,
            stdin=self._terminal,
            stdout=self._terminal,
            stderr=self._terminal,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(timeout=DEADLINE)
        os.close(self._terminal)
        os.close(self._controller)

    def type(self, text: bytes) -> None:
        """Type these bytes; a line ends with a newline."""
        os.write(self._controller, text)

    def read_until(self, text: bytes) -> bytes:
        """Read until `text` is printed; return all output since the last call."""
        deadline = time.monotonic() + DEADLINE
        came, self.seen = self.seen, b""
        while text not in came:
            assert time.monotonic() < deadline, came
            assert self._process.poll() is None or self._has_more(), came
            if self._has_more():
                came += os.read(self._controller, 4096)
        came, _, self.seen = came.partition(text)
        return came + text

    def is_quiet(self) -> bool:
        """Return whether nothing is printed for a while."""
        return not self.seen and not self._has_more(QUIET_SECONDS)

    def _has_more(self, seconds: float = 0.2) -> bool:
        return bool(select.select([self._controller], [], [], seconds)[0])

    def end(self) -> tuple[int, str]:
        """Wait for the command's end; return its exit status and its last output."""
        status = None
        while status is None or self._has_more():
            if self._has_more():
                self.seen += os.read(self._controller, 4096)
            status = self._process.poll()
        assert termios.tcgetattr(self._terminal) == self._before
        return status, self.seen.decode(errors="replace")
