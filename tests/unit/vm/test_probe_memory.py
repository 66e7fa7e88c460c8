# SPDX-License-Identifier: GPL-2.0-only
"""What the accelerator's probe remembers, and for how long."""

from __future__ import annotations

import json
import resource
from typing import TYPE_CHECKING

import pytest

from harness.host.paths import cache_dir
from harness.vm import probe
from harness.vm.probe import Accelerator, accelerator
from harness.vm.qemu import qemu_identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Accelerator]]:
    """Each time that it measured anew; the measuring itself has its test with a real QEMU."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    times: list[Accelerator] = []

    def measure() -> Accelerator:
        times.append(Accelerator("tcg", f"measured {len(times)}"))
        return times[-1]

    monkeypatch.setattr(probe, "measure", measure)
    accelerator.cache_clear()
    yield times
    accelerator.cache_clear()


def ask() -> Accelerator:
    accelerator.cache_clear()
    return accelerator()


def test_it_is_measured_once(measured: list[Accelerator]) -> None:
    assert ask() == ask() == Accelerator("tcg", "measured 0")
    assert len(measured) == 1


def test_another_probe_is_measured_anew_and_the_same_one_elsewhere_is_not(
    measured: list[Accelerator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask()
    copy = tmp_path / "probe.S"
    copy.write_bytes(probe.SOURCE.read_bytes())
    monkeypatch.setattr(probe, "SOURCE", copy)
    ask()
    assert len(measured) == 1, "a fresh checkout of the same source says nothing new"
    copy.write_bytes(copy.read_bytes() + b"\nnop\n")
    ask()
    assert len(measured) == 2


def test_a_full_disk_only_takes_the_memory(measured: list[Accelerator]) -> None:
    qemu_identity()  # has a memory of its own
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # the kernel refuses as a full disk does
    try:
        assert ask() == Accelerator("tcg", "measured 0")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert ask() == Accelerator("tcg", "measured 1")
    assert len(measured) == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: "",
        lambda _: "[]",
        lambda text: text[:-9],
        lambda text: text.replace('"name"', '"nome"'),
        lambda text: json.dumps({**json.loads(text), "circumstances": ["another boot"]}),
    ],
)
def test_what_it_cannot_use_is_measured_anew(
    measured: list[Accelerator], spoil: Callable[[str], str]
) -> None:
    ask()
    memory = cache_dir() / "accelerator.json"
    memory.write_text(spoil(memory.read_text()))
    assert ask() == Accelerator("tcg", "measured 1")
    assert len(measured) == 2
