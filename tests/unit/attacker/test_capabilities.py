# SPDX-License-Identifier: GPL-2.0-only
"""Capabilities are removed from the effective set only."""

from __future__ import annotations

import struct

from harness.attacker.tools.capabilities import CAP_PERFMON, CAP_SYS_ADMIN, without

ALL = 0xFFFFFFFF


def test_the_named_ones_leave_the_effective_set_alone() -> None:
    sets = struct.unpack(
        "<6I", without(struct.pack("<6I", *[ALL] * 6), (CAP_SYS_ADMIN, CAP_PERFMON))
    )
    assert sets == (ALL & ~(1 << 21), ALL, ALL, ALL & ~(1 << 6), ALL, ALL)
