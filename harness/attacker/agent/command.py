# SPDX-License-Identifier: GPL-2.0-only
"""Runs a command in the guest and passes on its output while it runs, without a terminal."""

from __future__ import annotations

import struct
from errno import EAGAIN
from fcntl import F_SETFL
from os import O_NONBLOCK
from select import POLLIN
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError
from harness.attacker.agent.files import CHUNK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.attacker.agent.attacker import Attacker
    from harness.attacker.agent.files import File

_POLL = struct.Struct("<ihh")  # struct pollfd
_POLL_MILLISECONDS = 1000
_LAST_READS = 4  # of CHUNK bytes; a process that goes on may write without end


def run_command(
    attacker: Attacker,
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    out: Callable[[bytes], None],
    err: Callable[[bytes], None],
) -> int:
    """Run a command until it ends; return its wait status. `out` and `err` receive its output.

    Its standard input is empty. Its other processes may go on. Raises SetupFailed if the command
    cannot be started, and VmLost if the machine is lost. There is no deadline.
    """
    path, *args = command
    with attacker.setup():
        pipes = [attacker.pipe(), attacker.pipe()]
        writers = [writer.fd for _, writer in pipes]
        pid = attacker.spawn(path, *args, stdout=writers[0], stderr=writers[1], env=env)
        for reader, writer in pipes:
            writer.close()
            attacker.fcntl(reader.fd, F_SETFL, O_NONBLOCK)
    sinks = {reader: sink for (reader, _), sink in zip(pipes, (out, err), strict=True)}
    with attacker.pidfd_open(pid) as process:
        while not _ended(attacker, process, sinks):
            pass
    for reader, sink in sinks.items():
        for _ in range(_LAST_READS):
            if not _pass_on(reader, sink):
                break
    return attacker.waitpid(pid)[1]


def _ended(attacker: Attacker, process: File, sinks: dict[File, Callable[[bytes], None]]) -> bool:
    """Wait for output, and pass it on, or for the end; return whether the process has ended.

    A pipe that is at its end is removed from `sinks`.
    """
    files = [process, *sinks]
    polled = bytearray(b"".join(_POLL.pack(file.fd, POLLIN, 0) for file in files))
    attacker.syscall("poll", polled, len(files), _POLL_MILLISECONDS)
    ended, *printed = (events for _, _, events in _POLL.iter_unpack(polled))
    for reader, events in zip(list(sinks), printed, strict=True):
        if events and not _pass_on(reader, sinks[reader]):
            del sinks[reader]
    return bool(ended)


def _pass_on(reader: File, sink: Callable[[bytes], None]) -> bool:
    """Pass on what is in a pipe; return whether there was anything."""
    try:
        data = reader.read(CHUNK)
    except GuestError as error:
        if error.errno != EAGAIN:
            raise
        return False
    if data:
        sink(data)
    return bool(data)
