# SPDX-License-Identifier: GPL-2.0-only
"""Which accelerator the probe decides for, over a QEMU that behaves as it is told."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.host.errors import UserError
from harness.vm import probe
from harness.vm.probe import SUCCESS, measure
from harness.vm.qemu import QEMU

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKS = f"exit {SUCCESS}"
SLOW = f"sleep 1; exit {SUCCESS}"
FAILS = "echo 'failed to set MSR 0x10a' >&2; kill -ABRT $$"
HANGS = "exec sleep 60"
ENDS_OTHERWISE = "exit 0"


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for a QEMU of our own, and a /dev/kvm that opens."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)  # QEMU's user gets here, unlike to pytest's own folders
        monkeypatch.setattr(probe, "KVM", folder / "kvm")
        (folder / "kvm").touch()
        monkeypatch.setattr(probe, "SECONDS", 4)
        monkeypatch.setenv("PATH", name, prepend=":")
        yield folder


def install(place: Path, *, tcg: str, kvm: str) -> None:
    """Have QEMU do this under TCG and that under KVM."""
    qemu = place / QEMU
    qemu.write_text(f'#!/bin/sh\ncase "$*" in\n*"-accel kvm"*) {kvm} ;;\n*) {tcg} ;;\nesac\n')
    qemu.chmod(0o755)


def test_a_kvm_that_works_and_is_faster_is_taken(place: Path) -> None:
    install(place, tcg=SLOW, kvm=WORKS)
    assert measure().name == "kvm"


def test_a_kvm_slower_than_tcg_is_not(place: Path) -> None:
    """Nested or emulated virtualisation may work, at a price."""
    install(place, tcg=WORKS, kvm=SLOW)
    chosen = measure()
    assert chosen.name == "tcg"
    assert "times slower than TCG" in chosen.reason


@pytest.mark.parametrize(
    ("kvm", "reason"),
    [
        (FAILS, "failed to set MSR 0x10a"),
        (HANGS, "the guest did not end within 4 s"),
        (ENDS_OTHERWISE, "QEMU ended with 0"),
    ],
)
def test_a_kvm_that_opens_and_does_not_run_guests_is_not(
    place: Path, kvm: str, reason: str
) -> None:
    install(place, tcg=WORKS, kvm=kvm)
    chosen = measure()
    assert chosen.name == "tcg"
    assert f"opens but does not work: {reason}" in chosen.reason


def test_without_a_kvm_there_is_tcg(place: Path) -> None:
    (place / "kvm").unlink()
    install(place, tcg=WORKS, kvm=WORKS)
    chosen = measure()
    assert (chosen.name, "is not there" in chosen.reason) == ("tcg", True)


@pytest.mark.parametrize("tcg", [FAILS, ENDS_OTHERWISE])
def test_where_tcg_does_not_run_guests_nothing_does(place: Path, tcg: str) -> None:
    install(place, tcg=tcg, kvm=WORKS)
    with pytest.raises(UserError, match="QEMU cannot run a guest"):
        measure()
