# SPDX-License-Identifier: GPL-2.0-only
"""When the handler was started, as the kernel writes it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.handler import start_time

NUMBERS = " ".join(map(str, range(4, 53))).encode()


@pytest.mark.parametrize("name", [b"umd_witness_umh", b"a b", b") S 1 2 (", b""])
def test_it_is_field_22_whatever_the_name(name: bytes) -> None:
    assert start_time(b"51 (" + name + b") S " + NUMBERS + b"\n") == 22


def test_it_is_what_the_kernel_writes() -> None:
    started = start_time(Path("/proc/self/stat").read_bytes()) / os.sysconf("SC_CLK_TCK")
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    assert 0 < started <= uptime + 1
