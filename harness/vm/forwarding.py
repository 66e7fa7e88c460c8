# SPDX-License-Identifier: GPL-2.0-only
"""A network card that forwards one port of the host's loopback to one port of the guest.

QEMU passes nothing else, in either direction (`restrict=on`); the card reaches no network.
"""

from __future__ import annotations

import re

from harness.host.errors import VmLost

GUEST_ADDRESS = "10.0.2.15"
"""The address that QEMU's user network forwards to. The guest assigns it to its card."""

_CARD = "virtio-net-pci,netdev=net,romfile="
_FORWARDED = re.compile(r"^ *TCP\[HOST_FORWARD\] +\d+ +127\.0\.0\.1 +(\d+) ", re.MULTILINE)


def card(guest_port: int) -> tuple[str, ...]:
    """Return QEMU's arguments for the card. QEMU chooses a free port of the host."""
    forward = f"hostfwd=tcp:127.0.0.1:0-{GUEST_ADDRESS}:{guest_port}"
    return ("-netdev", f"user,id=net,restrict=on,ipv6=off,{forward}", "-device", _CARD)


def port_of(networks: str) -> int:
    """Return the host's port from the monitor's `info usernet`. Raises VmLost if there is none."""
    found = _FORWARDED.search(networks)
    if found is None or found[1] == "0":
        raise VmLost("QEMU forwards no port to the guest")
    return int(found[1])
