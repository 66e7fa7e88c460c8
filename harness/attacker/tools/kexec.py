# SPDX-License-Identifier: GPL-2.0-only
"""reboot(2), and kexec_load(2)."""

from __future__ import annotations

import struct
from mmap import MAP_SHARED, PROT_READ
from typing import TYPE_CHECKING, NamedTuple

from harness.attacker.agent.files import File

if TYPE_CHECKING:
    from harness.attacker.agent.attacker import Attacker

# include/uapi/linux/reboot.h
_MAGIC = 0xFEE1DEAD, 672274793
RESTART, KEXEC = 0x01234567, 0x45584543

# include/uapi/linux/kexec.h
_X86_64 = 62 << 16
_SEGMENT = struct.Struct("<4Q")
_PAGE = 4096
_PLACE = 0x100000
"""The code's physical address. The second MiB is RAM on every PC; kexec preserves what is there."""

POWER_OFF = bytes.fromhex(
    "66ba0406"  # mov $0x604, %dx: q35's PM1a control register
    "66b80020"  # mov $0x2000, %ax: SLP_EN, and SLP_TYP of S5
    "66ef"  # out %ax, %dx
    "f4ebfd"  # 1: hlt; jmp 1b
)


def reboot(attacker: Attacker, command: int) -> None:
    """Call reboot(2) with `RESTART` or `KEXEC`."""
    attacker.syscall("reboot", *_MAGIC, command, 0)


class Segment(NamedTuple):
    """A part of what is loaded."""

    address: int
    """The physical address, at a page."""
    data: bytes
    size: int
    """Bytes of memory, whole pages. What the data leaves is zeroed."""


def load(attacker: Attacker, *segments: Segment) -> None:
    """Load segments with kexec_load(2). The first one's first byte is entered."""
    packed = b"".join(
        _SEGMENT.pack(_mapped(attacker, data), len(data), address, size)
        for address, data, size in segments
    )
    attacker.syscall("kexec_load", segments[0].address, len(segments), packed, _X86_64)


def load_power_off(attacker: Attacker) -> None:
    """Load code that powers the machine off."""
    load(attacker, Segment(_PLACE, POWER_OFF, _PAGE))


def _mapped(attacker: Attacker, data: bytes) -> int:
    """Put data into the attacker's memory; return its address."""
    with File(attacker, attacker.syscall("memfd_create", "code", 0)) as file:
        file.write_all(data)
        return attacker.syscall("mmap", 0, len(data), PROT_READ, MAP_SHARED, file.fd, 0)
