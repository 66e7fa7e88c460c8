# SPDX-License-Identifier: GPL-2.0-only
"""Times in the kernel's format."""

from __future__ import annotations

import struct

from harness.attacker.tools.clocks import timespec


def test_a_time_is_seconds_and_the_rest() -> None:
    assert struct.unpack("<2q", timespec(1_500_000_000)) == (1, 500_000_000)
