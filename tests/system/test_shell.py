# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness shell` on a terminal: a root shell, and both ways out of it."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import termios
import time

import pytest

from harness.lab import Lab

DEADLINE = 120.0


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("way_out", [b"exit\n", b"\x03\x01x"], ids=["exit", "ctrl-a-x"])
@pytest.mark.parametrize("engine", ["microvm", "virtme", "image"])
def test_a_root_shell_on_the_terminal(engine: str, way_out: bytes) -> None:
    Lab.open("6.12", progress=lambda _: None)
    controller, terminal = pty.openpty()
    before = termios.tcgetattr(terminal)
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.cli", "shell", "--engine", engine, "--variant", "baseline"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    try:
        seen = read_until(controller, b"# ")
        os.write(controller, b"id -u; echo x$((6*7))\n")
        seen = read_until(controller, b"\nx42")
        assert re.search(rb"[\r\n]0\r", seen)  # after what readline may say
        os.write(controller, way_out)
        read_until(controller, None)
        assert process.wait(timeout=DEADLINE) == 0
        assert termios.tcgetattr(terminal) == before
    finally:
        process.kill()
        process.wait(timeout=DEADLINE)
        os.close(terminal)
        os.close(controller)


def read_until(controller: int, text: bytes | None) -> bytes:
    """Read until `text` came, or, for None, until the terminal is quiet for a while."""
    seen, deadline = b"", time.monotonic() + DEADLINE
    while text is None or text not in seen:
        assert time.monotonic() < deadline, seen
        ready, _, _ = select.select([controller], [], [], 3.0)
        if ready:
            seen += os.read(controller, 4096)
        elif text is None:
            break
    return seen
