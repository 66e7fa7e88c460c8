# SPDX-License-Identifier: GPL-2.0-only
"""A virtio device's registers, found in its configuration, which a guest may have forged."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.attacker.tools.pci import VirtioRegisters, virtio_registers
from harness.host.errors import VmLost

COMMON, NOTIFY, OTHER = 1, 2, 4


def config(*kinds: int, bar: int = 4, following: int | None = None) -> bytes:
    """Capabilities from 0x40 on, 0x20 bytes apart; the last has `following` as its next offset."""
    data = bytearray(256)
    data[0x34] = 0x40
    for number, kind in enumerate(kinds):
        at, last = 0x40 + 0x20 * number, number == len(kinds) - 1
        step = (following or 0) if last else at + 0x20
        head = 9, step, 20, kind, bar
        struct.pack_into("<5B3xIII", data, at, *head, 0x1000 * kind, 0x1000, 4)
    return bytes(data)


def test_the_registers_are_where_two_capabilities_say() -> None:
    assert virtio_registers(config(OTHER, COMMON, NOTIFY)) == VirtioRegisters(
        bar=4, common=0x1000, notify=0x2000, step=4
    )


@pytest.mark.parametrize(
    "data",
    [b"", bytes(256), config(COMMON), config(NOTIFY), config(COMMON, OTHER, following=0x40)],
    ids=["nothing", "no list", "no bells", "no common", "a circle"],
)
def test_a_device_without_both_is_refused(data: bytes) -> None:
    with pytest.raises(VmLost, match="registers"):
        virtio_registers(data)


@given(st.binary(max_size=256))
def test_noise_is_read_or_refused(data: bytes) -> None:
    try:
        virtio_registers(data)
    except VmLost:
        return
