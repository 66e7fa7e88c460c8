# SPDX-License-Identifier: GPL-2.0-only
"""Runs an attack program of the user's own in the guest, to its end or its deadline.

Whatever it does, the agent goes on: it outranks the program, the program's processes are counted
by a cgroup, and what it prints is kept up to a limit and thrown away, in the guest, beyond that.
"""

from __future__ import annotations

import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from errno import EAGAIN
from fcntl import F_SETFL, F_SETPIPE_SZ
from os import O_NONBLOCK, O_WRONLY, SCHED_FIFO, SCHED_RESET_ON_FORK, WNOHANG
from select import POLLIN
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError
from harness.attacker.agent.files import CHUNK
from harness.host.errors import VmLost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.attacker.agent.attacker import Attacker
    from harness.attacker.agent.files import File

OUTPUT_KEPT = 64 << 10
"""Bytes of what it prints that are kept; the first ones."""
PROCESSES = 512
"""How many processes and threads it may have at a time."""

_CGROUPS = "/sys/fs/cgroup"
_GROUP = f"{_CGROUPS}/attack"
_PIPE = 1 << 20
_POLL = struct.Struct("<ihh")  # struct pollfd
_POLL_SECONDS = 1.0
_DYING_SECONDS = 5.0
_SPLICE_F_NONBLOCK = 2


@dataclass(frozen=True)
class Ended:
    """How it ended: its wait status, None if its time was up and it was killed, and what it
    printed, of which `discarded` further bytes were not kept."""

    status: int | None
    output: bytes
    discarded: int


def run_program(attacker: Attacker, path: str, *, env: Mapping[str, str], seconds: float) -> Ended:
    """Run a guest's program with that environment and no other, for at most `seconds`.

    What it leaves running goes on. Raises SetupFailed if it cannot be started, and VmLost if the
    agent did not survive it.
    """
    output = _Output(attacker)
    status = None
    try:
        pid = _start(attacker, path, env, output)
        status = output.follow(pid, seconds=seconds)
    except VmLost as lost:
        raise VmLost(f"while {path} ran: {lost}", by_guest=lost.by_guest) from lost
    finally:
        attacker.attempt.note(
            program=path,
            status=status,
            output=output.kept.decode(errors="backslashreplace"),
            discarded_bytes=output.discarded,
        )
    return Ended(status, bytes(output.kept), output.discarded)


def _start(attacker: Attacker, path: str, env: Mapping[str, str], output: _Output) -> int:
    """Start it in its cgroup, which the agent joins for as long as it takes to fork; its pid."""
    with attacker.setup():
        attacker.write_file(f"{_CGROUPS}/cgroup.subtree_control", b"+pids")
        with suppress(FileExistsError):
            attacker.mkdir(_GROUP)
        attacker.write_file(f"{_GROUP}/pids.max", str(PROCESSES).encode())
        # Above all that has no real-time policy; what it forks has none.
        attacker.sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, 1)
        writer = output.open()
        attacker.write_file(f"{_GROUP}/cgroup.procs", b"0")
        try:
            return attacker.spawn(path, stdout=writer.fd, stderr=writer.fd, env=env)
        finally:
            attacker.write_file(f"{_CGROUPS}/cgroup.procs", b"0")
            writer.close()


class _Output:
    """What a program prints, from the pipe that it prints to."""

    def __init__(self, attacker: Attacker) -> None:
        self.kept = bytearray()
        self.discarded = 0
        self._attacker = attacker

    def open(self) -> File:
        """Make the pipe; the end to print to."""
        self._reader, writer = self._attacker.pipe()
        self._attacker.fcntl(writer.fd, F_SETPIPE_SZ, _PIPE)
        self._attacker.fcntl(self._reader.fd, F_SETFL, O_NONBLOCK)
        self._nowhere = self._attacker.open("/dev/null", O_WRONLY)
        return writer

    def follow(self, pid: int, *, seconds: float) -> int | None:
        """Take what it prints until it has ended, or kill it; its wait status, None if killed."""
        attacker = self._attacker
        deadline = time.monotonic() + seconds
        with attacker.pidfd_open(pid) as process:
            while time.monotonic() < deadline:
                if not self._wait(process, until=deadline):
                    continue
                while time.monotonic() < deadline and self._take():
                    pass
                return attacker.waitpid(pid)[1]
        self._kill(pid)
        return None

    def _wait(self, process: File, *, until: float) -> bool:
        """Wait for output, which is taken, or for the end; whether that has come."""
        left = min(max(until - time.monotonic(), 0), _POLL_SECONDS)
        polled = bytearray(
            _POLL.pack(self._reader.fd, POLLIN, 0) + _POLL.pack(process.fd, POLLIN, 0)
        )
        self._attacker.syscall("poll", polled, 2, int(left * 1000))
        (_, _, printed), (_, _, ended) = _POLL.iter_unpack(polled)
        if printed and not ended and not self._take():
            # Nobody prints any more: a pipe that hung up would be ready for ever.
            polled = bytearray(_POLL.pack(process.fd, POLLIN, 0))
            self._attacker.syscall("poll", polled, 1, int(left * 1000))
            ((_, _, ended),) = _POLL.iter_unpack(polled)
        return bool(ended)

    def _take(self) -> int:
        """Take what is in the pipe; how many bytes."""
        room = OUTPUT_KEPT - len(self.kept)
        try:
            if room:
                data = self._reader.read(min(room, CHUNK))
                self.kept += data
                return len(data)
            pipe, nowhere = self._reader.fd, self._nowhere.fd
            flags = _SPLICE_F_NONBLOCK
            count = self._attacker.syscall("splice", pipe, 0, nowhere, 0, _PIPE, flags)
        except GuestError as error:
            if error.errno != EAGAIN:
                raise
            return 0
        self.discarded += count
        return count

    def _kill(self, pid: int) -> None:
        """Kill all that is in its cgroup, which it cannot fork away from, and reap it."""
        attacker = self._attacker
        attacker.write_file(f"{_GROUP}/cgroup.kill", b"1")
        deadline = time.monotonic() + _DYING_SECONDS
        while not attacker.waitpid(pid, WNOHANG)[0]:
            if time.monotonic() > deadline:
                raise VmLost(f"it could not be killed in {_DYING_SECONDS:.0f} s")
            time.sleep(0.05)
