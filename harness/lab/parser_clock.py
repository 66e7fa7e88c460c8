# SPDX-License-Identifier: GPL-2.0-only
"""Times both parsers of a file: that of a handler, and the same parser in the guest's kernel.

The witness has both parse each file that it is given. A probe times the handler, and the witness
the parser in the kernel (overlay/kernel/umd_witness/parse.c). Nobody attacks this machine, so the
guest's own times are trusted here.
"""

from __future__ import annotations

import re
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.attacker import Attacker, Channel
from harness.attacker.tools.packages import TARGET
from harness.attacker.tools.tracefs import TRACING, define, switch_on
from harness.host.errors import VmLost
from harness.lab.trip_clock import durations
from harness.model.handlers import RPM
from harness.witness.reader import Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.lab.images import BootImages
    from harness.vm.machine import Machine

    ParserClock = Callable[[bytes, int], dict[str, list[float]]]

_SECONDS = 600.0
_PAYLOAD = "give_files"
_FILE = "/tmp/given"  # noqa: S108 - in the guest
_EVENTS = "handler_begins", "handler_ends"
_KEPT = 512
"""How many of the latest times the witness keeps, behind the number of all."""


@contextmanager
def parser_clock(machine: Machine, images: BootImages, parser: str) -> Iterator[ParserClock]:
    """Make a running machine ready. Yield a function that gives the kernel a file so many times.

    The number is at most 512. The function returns microseconds by parser, `handler` and `kernel`.
    Raises VmLost or OSError.
    """
    Witness(machine, images.kernel).park()
    with Channel(
        machine.agent_socket(), reply_seconds=_SECONDS, attempt_seconds=_SECONDS
    ) as channel:
        attacker = Attacker(channel, images.guest)
        for kind, event in zip("pr", _EVENTS, strict=True):
            define(attacker, "kprobe", f"{kind}:{_PAYLOAD}/{event} umd_mgmt_send_recv")
            switch_on(attacker, f"{_PAYLOAD}/{event}")

        def give(file: bytes, count: int) -> dict[str, list[float]]:
            attacker.write_file(_FILE, file, mode=0o600)
            attacker.write_file(f"{TRACING}/trace", b"")  # empties it
            target = (TARGET,) if parser == RPM.name else ()
            before, _ = _parsed(machine, images)
            attacker.run(attacker.payload(_PAYLOAD), _FILE, str(count), *target)
            trace = attacker.read_file(f"{TRACING}/trace")
            handler = list(map(float, durations(trace, _PAYLOAD, _EVENTS)))
            after, times = _parsed(machine, images)
            if not len(handler) == after - before == count <= _KEPT:
                raise VmLost(f"the guest does not show {count} files")
            kernel = [times[number % _KEPT] / 1000 for number in range(before, after)]
            return {"handler": handler, "kernel": kernel}

        yield give


def _parsed(machine: Machine, images: BootImages) -> tuple[int, list[int]]:
    """Return how many files the kernel has parsed, and the latest times in nanoseconds.

    The time of file N is at N modulo 512.
    """
    at = images.kernel.physical("parse_times") + machine.load_offset
    with machine.paused():
        count, *times = struct.unpack(f"<{1 + _KEPT}Q", machine.read(at, 8 * (1 + _KEPT)))
    return count, times


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
