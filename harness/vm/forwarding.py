# SPDX-License-Identifier: GPL-2.0-only
"""A network card with one way in: a port of the host's loopback, forwarded to one of the guest's.

Nothing else passes, in either direction (`restrict=on`); there is no network behind it.
"""

from __future__ import annotations

import re

from harness.host.errors import VmLost

GUEST_ADDRESS = "10.0.2.15"
"""What QEMU's user network forwards to; the guest gives it to its card."""

_CARD = "virtio-net-pci,netdev=net,romfile="
_FORWARDED = re.compile(r"^ *TCP\[HOST_FORWARD\] +\d+ +127\.0\.0\.1 +(\d+) ", re.MULTILINE)


def card(guest_port: int) -> tuple[str, ...]:
    """Return QEMU's arguments; the host's port is one that is free, for QEMU to choose."""
    forward = f"hostfwd=tcp:127.0.0.1:0-{GUEST_ADDRESS}:{guest_port}"
    return ("-netdev", f"user,id=net,restrict=on,ipv6=off,{forward}", "-device", _CARD)


def port_of(networks: str) -> int:
    """Return the port that QEMU chose, by what its monitor says. Raises VmLost if there is none."""
    found = _FORWARDED.search(networks)
    if found is None or found[1] == "0":
        raise VmLost("QEMU forwards no port to the guest")
    return int(found[1])
