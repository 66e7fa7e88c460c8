# SPDX-License-Identifier: GPL-2.0-only
"""The real agent, compiled and run on this host over a socket pair."""

from __future__ import annotations

import functools
import socket
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.attacker import Attacker, Channel
from harness.guests.initramfs import GuestImage
from harness.guests.payloads import SOURCES, compile_payloads, compile_program

if TYPE_CHECKING:
    from collections.abc import Iterator


_COMPILING = threading.Lock()


@functools.cache
def _programs() -> tempfile.TemporaryDirectory[str]:
    """Compile agent and payloads once for the whole test process, which removes them."""
    folder = tempfile.TemporaryDirectory(prefix="umd-agent-")
    compile_program(SOURCES / "agent" / "agent.c", Path(folder.name) / "agent")
    compile_payloads(Path(folder.name))
    return folder


def programs() -> Path:
    """The folder that holds `agent` and the payloads."""
    with _COMPILING:  # else two threads would compile, and the second remove the first's folder
        return Path(_programs().name)


def guest() -> GuestImage:
    """The parts of a guest image that an Attacker needs."""
    return GuestImage(key="", initramfs=programs() / "none", payloads=programs())


@contextmanager
def agent_stream() -> Iterator[tuple[socket.socket, subprocess.Popen[bytes]]]:
    """Run an agent; return the host's end of its stream, and its process."""
    ours, its = socket.socketpair()
    with ours:
        with its:
            end = its.fileno()
            agent = subprocess.Popen([programs() / "agent"], stdin=end, stdout=end)
        with agent:
            try:
                yield ours, agent
            finally:
                agent.kill()


@contextmanager
def local_attacker() -> Iterator[Attacker]:
    """An attacker whose system calls run on this host."""
    with agent_stream() as (stream, _):
        yield Attacker(Channel(stream, reply_seconds=60), guest())
