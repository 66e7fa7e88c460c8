# SPDX-License-Identifier: GPL-2.0-only
"""Times round trips of 4 KiB to a handler, inside its guest.

The handler is that of the library's self-test. The clock times `umd_mgmt_send_recv()` by a probe on
its entry and another on its return. The self-test's write(2) would take nearly twice as long on
every variant, because it also makes the message and checks the reply. Nobody attacks this machine,
so the guest's own times are trusted here. They would not do for a verdict.

The clock of a machine may count instructions in place of time (MachineSpec.counts). Then the trips
do not depend on how busy the host is.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.attacker import Attacker, Channel, GuestError
from harness.attacker.tools.tracefs import TRACING, define, switch_on
from harness.host.errors import VmLost
from harness.lab.instruction_clock import check_counter
from harness.witness.reader import Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.guests.initramfs import GuestImage
    from harness.kernel.build.images import KernelImage
    from harness.vm.machine import Machine

_SECONDS = 600.0
"""How long one machine may serve. Between its own trips, it waits for those of another."""

_PAYLOAD = "round_trip"
_FUNCTION = "umd_mgmt_send_recv"
_TICKS = b"x86-tsc"
"""The trace's clock that shows the processor's counter as it is."""


@contextmanager
def trip_clock(
    machine: Machine, kernel: KernelImage, guest: GuestImage, *, counts: bool = False
) -> Iterator[Callable[[int], list[int]]]:
    """Make a running machine ready. Yield a function that makes round trips and times them.

    The function takes their number. It returns the time of each in microseconds, which the kernel's
    trace rounds down. If the machine `counts`, it returns the instructions of each. The witness is
    parked, because its requests would come between. Both raise VmLost or OSError: GuestError
    (ETIMEDOUT) if a handler was late.
    """
    Witness(machine, kernel).park()
    with Channel(
        machine.agent_socket(), reply_seconds=_SECONDS, attempt_seconds=_SECONDS
    ) as channel:
        attacker = Attacker(channel, guest)
        attacker.run("/sbin/modprobe", "umd_selftest")
        if counts:
            check_counter(attacker)
            attacker.write_file(f"{TRACING}/trace_clock", _TICKS)
        for kind, name in (("p", "sent"), ("r", "received")):
            define(attacker, "kprobe", f"{kind}:{_PAYLOAD}/{name} {_FUNCTION}")
            switch_on(attacker, f"{_PAYLOAD}/{name}")

        def make(trips: int) -> list[int]:
            attacker.write_file(f"{TRACING}/trace", b"")  # empties it
            _, status = attacker.waitpid(attacker.spawn(attacker.payload(_PAYLOAD), str(trips)))
            if os.WIFEXITED(status) and (errno := os.WEXITSTATUS(status)):
                raise GuestError(errno, "write")
            if status:
                raise ChildProcessError(f"{_PAYLOAD} ended with wait status {status:#x}")
            found = durations(attacker.read_file(f"{TRACING}/trace"))
            if len(found) != trips:
                raise VmLost(f"the guest's trace shows {len(found)} of {trips} round trips")
            return found

        yield make


def durations(
    trace: bytes, program: str = _PAYLOAD, events: tuple[str, str] = ("sent", "received")
) -> list[int]:
    """Return the time of each round trip of a program whose two events are in the trace.

    The times are microseconds, or ticks if the trace shows these.
    """
    event_of = re.compile(rf"{program}-\d+ .* (\d+)(?:\.(\d{{6}}))?: ({'|'.join(events)}): ")
    found = []
    sent: int | None = None
    for line in trace.decode("ascii", errors="replace").splitlines():
        if not (event := event_of.search(line)):
            continue
        at = int(event[1] + (event[2] or ""))
        if event[3] == events[0]:
            sent = at
        elif sent is not None:
            found.append(at - sent)
            sent = None
    return found
