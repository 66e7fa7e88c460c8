# SPDX-License-Identifier: GPL-2.0-only
"""The accelerator that the probe chooses runs a guest."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from harness.host.errors import UserError
from harness.vm import probe

if TYPE_CHECKING:
    from pathlib import Path

HANG = """
	.code16
	.org 0xfff0
	cli
1:	hlt
	jmp 1b
	.org 0x10000
"""
LOUD = """
	.code16
	.org 0xfff0
	movb $0x10, %al
	outb %al, $0xf4
1:	jmp 1b
	.org 0x10000
"""


def test_what_it_chooses_has_run_a_guest(tmp_path: Path) -> None:
    chosen = probe.measure()
    rom = tmp_path / "rom"
    probe._build(rom)
    seconds, failure = probe._time(chosen.name, rom)
    assert not failure
    assert seconds < probe.SECONDS
    if chosen.name == "tcg":
        assert "kvm" in chosen.reason
        if os.access(probe.KVM, os.R_OK | os.W_OK):
            slower, failure = probe._time("kvm", rom)
            assert failure or slower > seconds


@pytest.mark.parametrize(
    ("source", "reason"),
    [(HANG, "did not end within"), (LOUD, "QEMU ended with 33")],
    ids=["hang", "another number"],
)
def test_a_guest_that_does_not_come_through_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, reason: str
) -> None:
    """A guest without the probe's rare exit status is a failure, even if it ends silently."""
    (tmp_path / "probe.S").write_text(source)
    monkeypatch.setattr(probe, "SOURCE", tmp_path / "probe.S")
    if source is HANG:
        monkeypatch.setattr(probe, "SECONDS", 1)
    with pytest.raises(UserError, match=reason):
        probe.measure()


def test_an_accelerator_that_qemu_does_not_have_is_no_success(tmp_path: Path) -> None:
    rom = tmp_path / "rom"
    probe._build(rom)
    _, failure = probe._time("hvf", rom)
    assert "hvf" in failure
