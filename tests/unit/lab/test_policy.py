# SPDX-License-Identifier: GPL-2.0-only
"""A policy that root loads: it has to load, and to be in force."""

from __future__ import annotations

from errno import EACCES
from typing import TYPE_CHECKING

import pytest
from local_agent import local_attacker

from harness.attacker import Attacker, GuestError
from harness.host.errors import VmLost
from harness.lab import policy
from harness.lab.policy import load_policy
from harness.model.variants import APPARMOR, BPF_LSM

if TYPE_CHECKING:
    from pathlib import Path


def test_a_policy_that_does_not_load_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_attacker: object) -> None:
        raise GuestError(EACCES, "bpf")

    monkeypatch.setattr(policy, "_load_bpf", refuse)
    with local_attacker() as attacker, pytest.raises(VmLost, match="bpf does not load: EACCES"):
        load_policy(attacker, BPF_LSM)


def test_a_policy_under_which_root_may_do_all_is_not_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = tmp_path / "mem"
    memory.touch()
    monkeypatch.setattr(policy, "_load_bpf", lambda _attacker: None)
    monkeypatch.setattr(policy, "_FORBIDDEN", str(memory))
    with local_attacker() as attacker:
        with pytest.raises(VmLost, match="is not in force: root may open"):
            load_policy(attacker, BPF_LSM)
        memory.unlink()
        with pytest.raises(VmLost, match="is not in force: ENOENT at openat"):
            load_policy(attacker, BPF_LSM)


def test_a_loader_that_says_nothing_has_loaded_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Attacker, "payload", lambda *_words: "/bin/true")
    monkeypatch.setattr(Attacker, "mount", lambda *_words: None)
    with local_attacker() as attacker, pytest.raises(VmLost, match="does not load: EPROTO"):
        load_policy(attacker, BPF_LSM)


def test_a_kernel_without_apparmor_loads_no_profiles() -> None:
    with (
        local_attacker() as attacker,
        pytest.raises(VmLost, match="policy of apparmor does not load: ENOENT at openat"),
    ):
        load_policy(attacker, APPARMOR)
