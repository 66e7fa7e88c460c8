# SPDX-License-Identifier: GPL-2.0-only
"""Netlink messages and attributes, which a guest may have forged."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.attacker.tools.netlink import attribute, attributes, message, messages
from harness.host.errors import VmLost


def padded(data: bytes) -> bytes:
    return data.ljust((len(data) + 3) & ~3, b"\0")


def test_a_datagram_holds_several_messages() -> None:
    datagram = padded(message(3, b"one")) + message(7, b"four")
    assert list(messages(datagram)) == [(3, b"one"), (7, b"four")]


@given(st.dictionaries(st.integers(1, 0x3FFF), st.binary(max_size=40)))
def test_attributes_come_back_as_they_were(wanted: dict[int, bytes]) -> None:
    data = b"".join(attribute(kind, value) for kind, value in wanted.items())
    assert attributes(data) == wanted


def test_an_attribute_s_flags_are_no_part_of_its_type() -> None:
    assert attributes(attribute(0x8004, b"x")) == {4: b"x"}


@pytest.mark.parametrize("size", [0, 15, 18, 1 << 31])
def test_a_message_of_an_impossible_size_is_a_lie(size: int) -> None:
    with pytest.raises(VmLost, match="netlink message"):
        list(messages(struct.pack("<IHHII", size, 3, 0, 0, 0) + b"x"))


@pytest.mark.parametrize("data", [b"\1", b"\0\0\1\0", b"\3\0\1\0", b"\xff\xff\1\0"])
def test_an_attribute_of_an_impossible_size_is_a_lie(data: bytes) -> None:
    with pytest.raises(VmLost, match="netlink attribute"):
        attributes(data)


@given(st.binary(max_size=100))
def test_noise_is_read_or_refused(data: bytes) -> None:
    for read in (lambda: list(messages(data)), lambda: attributes(data)):
        try:
            read()
        except VmLost:
            continue
