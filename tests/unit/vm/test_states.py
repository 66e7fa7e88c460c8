# SPDX-License-Identifier: GPL-2.0-only
"""Which saved state is whose, and which are kept."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from plain_machine import PLAIN as SPEC

from harness.vm.probe import Accelerator
from harness.vm.states import KEPT, _store, state_key

if TYPE_CHECKING:
    from harness.vm.spec import MachineSpec

TCG = Accelerator("tcg", "for a test")


def test_the_same_machine_has_the_same_key() -> None:
    """Where its files lie and why the accelerator was chosen do not matter."""
    elsewhere = replace(SPEC, kernel=Path("/b/bzImage"), initramfs=Path("/c"))
    assert state_key(SPEC, TCG) == state_key(elsewhere, replace(TCG, reason="another"))


@pytest.mark.parametrize(
    "other",
    [
        replace(SPEC, kernel_key="k2"),
        replace(SPEC, guest_key="g2"),
        replace(SPEC, kernel_key="kg", guest_key=""),
        replace(SPEC, cmdline="umd_isolation=off"),
        replace(SPEC, settings="written"),
        replace(SPEC, memory_mib=512),
        replace(SPEC, cpus=2),
        replace(SPEC, kaslr=True),
    ],
)
def test_another_machine_has_another(other: MachineSpec) -> None:
    assert state_key(SPEC, TCG) != state_key(other, TCG)


def test_another_accelerator_has_another() -> None:
    assert state_key(SPEC, TCG) != state_key(SPEC, Accelerator("kvm", TCG.reason))


def test_the_last_used_states_are_kept_and_unfinished_ones_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    store = _store("6.12-baseline")
    store.root.mkdir(parents=True)
    for age, name in enumerate(("newest", ".new-x", "newer", "old", "oldest")):
        (store.root / name).mkdir()
        os.utime(store.root / name, (1000 - age, 1000 - age))
    made = store.find_or_make("made", lambda new: (new / "ram").touch())
    assert made.stat().st_mode & 0o777 == 0o700
    kept = sorted(path.name for path in store.root.iterdir())
    assert kept == ["made", *["newer", "newest"][-(KEPT - 1) :]]


def test_a_state_that_another_run_uses_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    store = _store("6.12-baseline")
    keys = [f"of tree {number}" for number in range(KEPT + 2)]
    for key in keys:
        store.find_or_make(key, lambda new: (new / "ram").touch())
    assert sorted(path.name for path in store.root.iterdir()) == keys
