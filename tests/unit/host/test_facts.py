# SPDX-License-Identifier: GPL-2.0-only
"""The facts about the host that a run keeps, without the host's name."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING

from harness.host import facts

if TYPE_CHECKING:
    import pytest


def test_the_memory_is_that_of_the_kernel() -> None:
    total_kib = int(Path("/proc/meminfo").read_text().split()[1])
    assert facts.memory_mib() == total_kib >> 10


def test_the_model_of_the_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "_CPUINFO", tmp_path / "cpuinfo")
    assert facts.cpu_model() == ""
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: A CPU @ 2.00GHz\nflags\t:\n")
    assert facts.cpu_model() == "A CPU @ 2.00GHz"


def test_a_system_without_a_description_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert facts.system()

    def missing() -> dict[str, str]:
        raise OSError

    monkeypatch.setattr(platform, "freedesktop_os_release", missing)
    assert facts.system() == "Linux"
