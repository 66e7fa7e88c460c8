# SPDX-License-Identifier: GPL-2.0-only
"""Runs a user's attack program in the guest, until it ends or its deadline passes.

The program cannot stop the agent: the agent has a real-time policy and the program has not, a
cgroup limits the number of the program's processes, and the guest discards the program's output
beyond a limit.
"""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass
from errno import EAGAIN, EEXIST
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
"""Bytes of the program's output that are kept, from its start."""
PROCESSES = 512
"""How many processes and threads the program may have at a time (pids.max)."""

_CGROUPS = "/sys/fs/cgroup"
_GROUP = f"{_CGROUPS}/attack"
_PIPE = 1 << 20
_POLL = struct.Struct("<ihh")  # struct pollfd
_POLL_SECONDS = 1.0
_DYING_SECONDS = 30.0
_SPLICE_F_NONBLOCK = 2


@dataclass(frozen=True)
class ProgramExit:
    """The end of an attack program."""

    status: int | None
    """Its wait status, as in wait(2); None if it was killed at its deadline."""
    output: bytes
    """The first `OUTPUT_KEPT` (64 KiB) bytes of its standard output and standard error."""
    discarded: int
    """How many further bytes of output were discarded."""


def run_program(
    attacker: Attacker, path: str, *, env: Mapping[str, str], seconds: float
) -> ProgramExit:
    """Run the program at guest path `path`, with the environment `env`, for at most `seconds`.

    At its deadline the program is killed with all processes of its cgroup. After an earlier end,
    its other processes keep running. The attempt gets a note of status and output. Raises
    SetupFailed if the program cannot be started, and VmLost if the agent stops answering.
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
    return ProgramExit(status, bytes(output.kept), output.discarded)


def _start(attacker: Attacker, path: str, env: Mapping[str, str], output: _Output) -> int:
    """Start the program in its cgroup; return its pid.

    The agent joins the cgroup for the fork, so that the program is never outside it.
    """
    with attacker.setup():
        attacker.write_file(f"{_CGROUPS}/cgroup.subtree_control", b"+pids")
        _create_group(attacker)
        attacker.write_file(f"{_GROUP}/pids.max", str(PROCESSES).encode())
        # The agent gets a real-time policy, which its children do not inherit.
        attacker.sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, 1)
        writer = output.open()
        attacker.write_file(f"{_GROUP}/cgroup.procs", b"0")
        try:
            return attacker.spawn(path, stdout=writer.fd, stderr=writer.fd, env=env)
        finally:
            attacker.write_file(f"{_CGROUPS}/cgroup.procs", b"0")
            writer.close()


def _create_group(attacker: Attacker) -> None:
    """Create the programs' cgroup, unless an earlier program of this guest has."""
    try:
        attacker.mkdir(_GROUP)
    except GuestError as error:
        if error.errno != EEXIST:
            raise


class _Output:
    """The pipe that a program prints to, and the output kept from it."""

    def __init__(self, attacker: Attacker) -> None:
        self.kept = bytearray()
        self.discarded = 0
        self._attacker = attacker

    def open(self) -> File:
        """Create the pipe; return its write end, for the program."""
        self._reader, writer = self._attacker.pipe()
        self._attacker.fcntl(writer.fd, F_SETPIPE_SZ, _PIPE)
        self._attacker.fcntl(self._reader.fd, F_SETFL, O_NONBLOCK)
        self._nowhere = self._attacker.open("/dev/null", O_WRONLY)
        return writer

    def follow(self, pid: int, *, seconds: float) -> int | None:
        """Read the output of process `pid` until it ends; kill it after `seconds`.

        Return its wait status, None if it was killed.
        """
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
        """Wait for output, and take it, or for the end of the process; return whether it ended."""
        left = min(max(until - time.monotonic(), 0), _POLL_SECONDS)
        polled = bytearray(
            _POLL.pack(self._reader.fd, POLLIN, 0) + _POLL.pack(process.fd, POLLIN, 0)
        )
        self._attacker.syscall("poll", polled, 2, int(left * 1000))
        (_, _, printed), (_, _, ended) = _POLL.iter_unpack(polled)
        if printed and not ended and not self._take():
            # No writer is left: poll would report the pipe's hang-up at once, every time.
            polled = bytearray(_POLL.pack(process.fd, POLLIN, 0))
            self._attacker.syscall("poll", polled, 1, int(left * 1000))
            ((_, _, ended),) = _POLL.iter_unpack(polled)
        return bool(ended)

    def _take(self) -> int:
        """Take the output that is in the pipe; return its size in bytes."""
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
        """Kill all processes of the cgroup, which a fork does not leave, and reap process `pid`."""
        attacker = self._attacker
        attacker.write_file(f"{_GROUP}/cgroup.kill", b"1")
        deadline = time.monotonic() + _DYING_SECONDS
        while not attacker.waitpid(pid, WNOHANG)[0]:
            if time.monotonic() > deadline:
                raise VmLost(f"the program could not be killed in {_DYING_SECONDS:.0f} s")
            time.sleep(0.05)
