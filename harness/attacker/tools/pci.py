# SPDX-License-Identifier: GPL-2.0-only
"""PCI devices in sysfs, and the location of a virtio device's registers."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.host.errors import VmLost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.attacker.agent.attacker import Attacker

DEVICES = "/sys/bus/pci/devices"
VIRTIO_SERIAL = struct.pack("<HH", 0x1AF4, 0x1003)
"""Vendor and device id (Virtual I/O Device 1.2, 4.1.2.1), the start of the PCI configuration."""

_FIRST = 0x34
_VENDOR = 9
_HEADER = 64
_CAPABILITY = struct.Struct("<5B3xII")
"""struct virtio_pci_cap (4.1.4): id, next, length, kind, BAR; then offset and length in the BAR."""
_COMMON, _NOTIFY = 1, 2


@dataclass(frozen=True)
class VirtioRegisters:
    """The location of a virtio device's registers (Virtual I/O Device 1.2, 4.1.4)."""

    bar: int
    """The number of the BAR that has them."""
    common: int
    """Offset of the common configuration in the BAR, in bytes."""
    notify: int
    """Offset of the first queue's notification address in the BAR, in bytes."""
    step: int
    """Bytes from one queue's notification address to the next."""


def virtio_registers(config: bytes) -> VirtioRegisters:
    """Find the registers from a device's PCI configuration. Raises VmLost if it lacks them."""
    found = {kind: (bar, offset, at) for kind, bar, offset, at in _capabilities(config)}
    if _COMMON not in found or _NOTIFY not in found or found[_COMMON][0] != found[_NOTIFY][0]:
        raise VmLost("the device has no virtio registers in one BAR")
    bar, notify, at = found[_NOTIFY]
    step = int.from_bytes(config[at + _CAPABILITY.size : at + _CAPABILITY.size + 4], "little")
    return VirtioRegisters(bar, found[_COMMON][1], notify, step)


def _capabilities(config: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield kind, BAR, offset in the BAR and own offset of each virtio capability, once each."""
    at, seen = config[_FIRST] if len(config) > _FIRST else 0, set[int]()
    while _HEADER <= at <= len(config) - _CAPABILITY.size and at not in seen:
        seen.add(at)
        ident, following, _, kind, bar, offset, _ = _CAPABILITY.unpack_from(config, at)
        if ident == _VENDOR:
            yield kind, bar, offset, at
        at = following


def find_device(attacker: Attacker, ident: bytes) -> tuple[str, bytes]:
    """Return a device's sysfs folder and its PCI configuration.

    `ident` is the start of the configuration, such as `VIRTIO_SERIAL`. Raises LookupError if
    there is no such device.
    """
    for name in attacker.listdir(DEVICES):
        config = attacker.read_file(f"{DEVICES}/{name}/config")
        if config.startswith(ident):
            return f"{DEVICES}/{name}", config
    raise LookupError(f"there is no PCI device {ident.hex()}")
