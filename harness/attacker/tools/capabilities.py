# SPDX-License-Identifier: GPL-2.0-only
"""Capabilities that the attacker gives up, to show what is asked of those who lack them."""

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
_SETS = struct.Struct("<6I")  # effective, permitted, inheritable: of the first 32, then the rest


def lower(attacker: Attacker, *capabilities: int) -> None:
    """Take some out of the agent's effective set, as set-up. The permitted ones it keeps."""
    with attacker.setup():
        sets = bytearray(_SETS.size)
        attacker.syscall("capget", _HEADER, sets)
        attacker.syscall("capset", _HEADER, without(bytes(sets), capabilities))


def without(sets: bytes, capabilities: tuple[int, ...]) -> bytes:
    """The sets of capget(2), the effective one without some."""
    words = list(_SETS.unpack(sets))
    for capability in capabilities:
        words[capability // 32 * 3] &= ~(1 << capability % 32)
    return _SETS.pack(*words)
