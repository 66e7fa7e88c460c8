# SPDX-License-Identifier: GPL-2.0-only
"""Times both parsers of a file: that of a handler, and the same parser in the guest's kernel.

The witness has both parse each file that it is given (overlay/kernel/umd_witness/). Probes time
them. Nobody attacks this machine, so the guest's own times are trusted here.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.attacker import Attacker, Channel
from harness.attacker.tools.packages import TARGET
from harness.attacker.tools.tracefs import TRACING, define, switch_on
from harness.host.errors import VmLost
from harness.lab.trip_clock import TICKS, durations
from harness.model.handlers import PGP, PKCS7, RPM, X509
from harness.witness.reader import Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.lab.images import BootImages
    from harness.vm.machine import Machine

    ParserClock = Callable[[bytes, int], dict[str, list[float]]]

_SECONDS = 600.0
_PAYLOAD = "give_files"
_FILE = "/tmp/given"  # noqa: S108 - in the guest
_IN_KERNEL = {
    X509.name: "x509_cert_parse",
    PKCS7.name: "pkcs7_parse_message",
    PGP.name: "umd_pgp_parse",
    RPM.name: "umd_rpm_parse",
}
"""The parser in the kernel, by the name of the handler."""


@contextmanager
def parser_clock(machine: Machine, images: BootImages, parser: str) -> Iterator[ParserClock]:
    """Make a running machine ready. Yield a function that gives the kernel a file so many times.

    The function returns microseconds by parser, `handler` and `kernel`. Raises VmLost or OSError.
    """
    probes = {"handler": "umd_mgmt_send_recv", "kernel": _IN_KERNEL[parser]}
    Witness(machine, images.kernel).park()
    with Channel(machine.agent_socket(), attempt_seconds=_SECONDS) as channel:
        attacker = Attacker(channel, images.guest)
        attacker.write_file(f"{TRACING}/trace_clock", TICKS)
        ticks = _ticks_of_microsecond(attacker)
        for name, function in probes.items():
            for kind, event in (("p", f"{name}_begins"), ("r", f"{name}_ends")):
                define(attacker, "kprobe", f"{kind}:{_PAYLOAD}/{event} {function}")
                switch_on(attacker, f"{_PAYLOAD}/{event}")

        def give(file: bytes, count: int) -> dict[str, list[float]]:
            attacker.write_file(_FILE, file, mode=0o600)
            attacker.write_file(f"{TRACING}/trace", b"")  # empties it
            target = (TARGET,) if parser == RPM.name else ()
            attacker.run(attacker.payload(_PAYLOAD), _FILE, str(count), *target)
            trace = attacker.read_file(f"{TRACING}/trace")
            times = {
                name: [
                    time / ticks
                    for time in durations(trace, _PAYLOAD, (f"{name}_begins", f"{name}_ends"))
                ]
                for name in probes
            }
            if any(len(one) != count for one in times.values()):
                raise VmLost(f"the guest's trace does not show {count} files")
            return times

        yield give


def _ticks_of_microsecond(attacker: Attacker) -> float:
    """Return the frequency of the processor's counter, as the guest's kernel has measured it."""
    found = re.search(r"^cpu MHz\s*: ([\d.]+)$", attacker.read_file("/proc/cpuinfo").decode(), re.M)
    if not found:
        raise VmLost("the guest does not say how fast its processor is")
    return float(found[1])


def locked_kib(machine: Machine, images: BootImages) -> int:
    """Return the KiB of memory that the handler of a running machine has locked.

    Raises VmLost or OSError.
    """
    pid = Witness(machine, images.kernel).read().pid
    with Channel(machine.agent_socket()) as channel:
        status = Attacker(channel, images.guest).read_file(f"/proc/{pid}/status").decode()
    found = re.search(r"^VmLck:\s+(\d+) kB$", status, re.M)
    if not found:
        raise VmLost(f"the guest does not say how much memory process {pid} has locked")
    return int(found[1])
