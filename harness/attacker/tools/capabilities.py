# SPDX-License-Identifier: GPL-2.0-only
"""Dropping capabilities, for attacks that must reach a check which root's capabilities bypass."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.attacker.agent.attacker import Attacker

# include/uapi/linux/capability.h
CAP_SYS_ADMIN = 21
CAP_MAC_OVERRIDE = 32
CAP_PERFMON = 38
_HEADER = struct.pack("<Ii", 0x20080522, 0)
_SETS = struct.Struct("<6I")  # effective, permitted, inheritable: capabilities 0-31, then 32-63


def lower(attacker: Attacker, *capabilities: int) -> None:
    """Remove capabilities from the agent's effective set, as set-up; keep them permitted."""
    with attacker.setup():
        sets = bytearray(_SETS.size)
        attacker.syscall("capget", _HEADER, sets)
        attacker.syscall("capset", _HEADER, without(bytes(sets), capabilities))


def without(sets: bytes, capabilities: tuple[int, ...]) -> bytes:
    """Return the sets of capget(2) with these capabilities removed from the effective set."""
    words = list(_SETS.unpack(sets))
    for capability in capabilities:
        words[capability // 32 * 3] &= ~(1 << capability % 32)
    return _SETS.pack(*words)
