# SPDX-License-Identifier: GPL-2.0-only
"""Times both parsers of files: that of a handler, and the same parser in the guest's kernel.

The witness has both parse each file that it is given. A probe times the handler, and the witness
the parser in the kernel (overlay/kernel/umd_witness/parse.c). Nobody attacks this machine, so the
guest's own times are trusted here.
"""

from __future__ import annotations

import re
import struct
from contextlib import contextmanager
from errno import ETIMEDOUT
from itertools import compress
from os import O_CREAT, O_TRUNC, O_WRONLY
from typing import TYPE_CHECKING

from harness.attacker import Attacker, Channel, GuestError
from harness.attacker.tools.packages import TARGET
from harness.attacker.tools.tracefs import TRACING, define, switch_on
from harness.host.errors import VmLost
from harness.lab.trip_clock import durations
from harness.model.handlers import RPM
from harness.vm.cpu_use import cpu_use
from harness.witness.reader import Witness

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.lab.images import BootImages
    from harness.vm.machine import Machine

_SECONDS = 600.0
_PAYLOAD = "give_files"
_ARCHIVE, _SAID = "/tmp/given", "/tmp/said"  # noqa: S108 - in the guest
_ROOM = 1 << 20
"""The bytes of an archive, at most. The longest file that a handler takes has 128 KiB."""
_ATTEMPTS = 20
"""How often a file is given at most, while a busy host makes its handler late."""
STARVED_SECONDS = 0.5
"""How long QEMU waits for a CPU while a handler is late by the host: a quarter of the library's
deadline."""
_EVENTS = "handler_begins", "handler_ends"
_KEPT = 512
"""How many of the latest times the witness keeps, behind the number of all."""


class ParserClock:
    """Gives files to the kernel of a machine that runs.

    All methods raise VmLost or OSError, and GuestError (ETIMEDOUT) for a late handler.
    """

    def __init__(self, machine: Machine, images: BootImages, attacker: Attacker, parser: str):
        self.machine = machine
        """The machine."""
        self._times_at = images.kernel.physical("parse_times") + machine.load_offset
        self._attacker = attacker
        self._target = (TARGET,) if parser == RPM.name else ()
        for kind, event in zip("pr", _EVENTS, strict=True):
            define(attacker, "kprobe", f"{kind}:{_PAYLOAD}/{event} umd_mgmt_send_recv")
            switch_on(attacker, f"{_PAYLOAD}/{event}")

    def accepted(self, files: Sequence[bytes]) -> list[bytes]:
        """Return the files that the kernel accepts.

        A file whose handler was late is neither accepted nor refused. While a busy host keeps QEMU
        from running, such files are given again.
        """
        taken: list[bytes] = []
        for some in _archives(files, 1):
            taken += compress(some, (not errno for errno in self._errnos(some)))
        return taken

    def _errnos(self, files: Sequence[bytes]) -> list[int]:
        """Give each file; return for each 0, or the errno of the kernel's refusal."""
        errnos = [ETIMEDOUT] * len(files)
        for _ in range(_ATTEMPTS):
            waited = cpu_use(self.machine.pid).waited
            late = [number for number, errno in enumerate(errnos) if errno == ETIMEDOUT]
            for number, errno in zip(late, self._give([files[n] for n in late], 1), strict=True):
                errnos[number] = errno
            if ETIMEDOUT not in errnos:
                return errnos
            if cpu_use(self.machine.pid).waited - waited < STARVED_SECONDS:
                break
        raise GuestError(ETIMEDOUT, _PAYLOAD)

    def times(self, files: Sequence[bytes], count: int) -> dict[str, list[list[float]]]:
        """Give each file so many times, at most 512, all of which the kernel accepts.

        Return by parser, `handler` and `kernel`, the microseconds of each file.
        """
        times: dict[str, list[list[float]]] = {"handler": [], "kernel": []}
        for some in _archives(files, count):
            self._attacker.write_file(f"{TRACING}/trace", b"")  # empties it
            before, _ = self._parsed()
            errnos = self._give(some, count)
            if ETIMEDOUT in errnos:
                raise GuestError(ETIMEDOUT, _PAYLOAD)
            if any(errnos):
                raise VmLost("the kernel refuses a file that it has accepted")
            trace = self._attacker.read_file(f"{TRACING}/trace")
            handler = list(map(float, durations(trace, _PAYLOAD, _EVENTS)))
            after, latest = self._parsed()
            if not len(handler) == after - before == count * len(some) <= _KEPT:
                raise VmLost(f"the guest does not show {count} times of {len(some)} files")
            kernel = [latest[number % _KEPT] / 1000 for number in range(before, after)]
            for name, one in (("handler", handler), ("kernel", kernel)):
                times[name] += [one[at : at + count] for at in range(0, len(one), count)]
        return times

    def _give(self, files: Sequence[bytes], count: int) -> tuple[int, ...]:
        """Give each file so many times. Return for each file 0, or the errno of a refusal."""
        archive = b"".join(struct.pack("<I", len(file)) + file for file in files)
        self._attacker.write_file(_ARCHIVE, archive, mode=0o600)
        payload = self._attacker.payload(_PAYLOAD)
        with self._attacker.open(_SAID, O_WRONLY | O_CREAT | O_TRUNC, 0o600) as said:
            self._attacker.run(payload, _ARCHIVE, str(count), *self._target, stdout=said.fd)
        return struct.unpack(f"<{len(files)}i", self._attacker.read_file(_SAID))

    def _parsed(self) -> tuple[int, list[int]]:
        """Return how many files the kernel has parsed, and the latest times in nanoseconds.

        The time of file N is at N modulo 512.
        """
        with self.machine.paused():
            kept = self.machine.read(self._times_at, 8 * (1 + _KEPT))
        count, *times = struct.unpack(f"<{1 + _KEPT}Q", kept)
        return count, times


def _archives(files: Sequence[bytes], count: int) -> Iterator[list[bytes]]:
    """Yield the files in parts, for each of which there is room."""
    part: list[bytes] = []
    size = 0
    for file in files:
        size += 4 + len(file)
        if part and (size > _ROOM or count * (len(part) + 1) > _KEPT):
            yield part
            part, size = [], 4 + len(file)
        part.append(file)
    if part:
        yield part


@contextmanager
def parser_clock(machine: Machine, images: BootImages, parser: str) -> Iterator[ParserClock]:
    """Make a running machine ready, and yield its clock. Raises VmLost or OSError."""
    Witness(machine, images.kernel).park()
    with Channel(
        machine.agent_socket(), reply_seconds=_SECONDS, attempt_seconds=_SECONDS
    ) as channel:
        yield ParserClock(machine, images, Attacker(channel, images.guest), parser)


def locked_kib(machine: Machine, images: BootImages) -> int:
    """Return the KiB of memory that are locked in a running machine: only a handler locks any.

    Raises VmLost or OSError.
    """
    with Channel(machine.agent_socket()) as channel:
        meminfo = Attacker(channel, images.guest).read_file("/proc/meminfo").decode()
    found = re.search(r"^Mlocked:\s+(\d+) kB$", meminfo, re.M)
    if not found:
        raise VmLost("the guest does not say how much memory is locked")
    return int(found[1])
