# SPDX-License-Identifier: GPL-2.0-only
"""An attack program's cgroup, on this host's file system."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from local_agent import local_attacker

from harness.attacker import GuestError
from harness.attacker.agent import program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.attacker import Attacker


@pytest.fixture
def attacker() -> Iterator[Attacker]:
    with local_attacker() as attacker:
        yield attacker


def test_a_second_program_uses_the_cgroup_of_the_first(
    attacker: Attacker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "_GROUP", str(tmp_path / "attack"))
    program._create_group(attacker)
    program._create_group(attacker)
    assert (tmp_path / "attack").is_dir()


def test_another_error_of_the_cgroup_is_raised(
    attacker: Attacker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "_GROUP", str(tmp_path / "none" / "attack"))
    with pytest.raises(GuestError, match=re.escape("ENOENT at mkdir")):
        program._create_group(attacker)
