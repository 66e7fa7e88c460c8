# SPDX-License-Identifier: GPL-2.0-only
"""Times both parsers of a guest on a certificate: the handler `x509`, and the kernel's own parser.

With the handler `x509`, add_key(2) has both parse each certificate (umd_witness/keys.c). Probes
time them. Nobody attacks this machine, so the guest's own times are trusted here.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.attacker import Attacker, Channel
from harness.attacker.tools.tracefs import TRACING, define, switch_on
from harness.guests.vendor import CERTIFICATE
from harness.host.errors import VmLost
from harness.lab.trip_clock import durations
from harness.witness.reader import Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.lab.images import BootImages
    from harness.vm.machine import Machine

_SECONDS = 600.0
_PAYLOAD = "add_keys"
_PROBES = {"handler": "umd_mgmt_send_recv", "kernel": "x509_cert_parse"}
"""By parser, the function whose entry and return are timed."""


@contextmanager
def parser_clock(
    machine: Machine, images: BootImages
) -> Iterator[Callable[[int], dict[str, list[int]]]]:
    """Make a running machine ready. Yield a function that adds a key so many times.

    The function returns microseconds by parser, `handler` and `kernel`. Raises VmLost or OSError.
    """
    Witness(machine, images.kernel).park()
    with Channel(machine.agent_socket(), attempt_seconds=_SECONDS) as channel:
        attacker = Attacker(channel, images.guest)
        for name, function in _PROBES.items():
            for kind, event in (("p", f"{name}_begins"), ("r", f"{name}_ends")):
                define(attacker, "kprobe", f"{kind}:{_PAYLOAD}/{event} {function}")
                switch_on(attacker, f"{_PAYLOAD}/{event}")

        def add(count: int) -> dict[str, list[int]]:
            attacker.write_file(f"{TRACING}/trace", b"")  # empties it
            attacker.run(attacker.payload(_PAYLOAD), CERTIFICATE, str(count))
            trace = attacker.read_file(f"{TRACING}/trace")
            times = {
                name: durations(trace, _PAYLOAD, (f"{name}_begins", f"{name}_ends"))
                for name in _PROBES
            }
            if any(len(one) != count for one in times.values()):
                raise VmLost(f"the guest's trace does not show {count} certificates")
            return times

        yield add
