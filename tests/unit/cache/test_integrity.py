# SPDX-License-Identifier: GPL-2.0-only
"""What a crash leaves of a folder in the cache is not taken for whole."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from harness.cache import integrity as seal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LARGE = 1 << 16


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two hashed files and one that is too large for it."""
    monkeypatch.setattr(seal, "_HASHED", LARGE - 1)
    (tmp_path / "below").mkdir()
    for name, size in (("device", 77), ("below/handler", 4096), ("ram", LARGE)):
        (tmp_path / name).write_bytes(os.urandom(size))
    seal.seal(tmp_path)
    assert seal.is_sealed(tmp_path)
    return tmp_path


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def garble(path: Path) -> None:
    path.write_bytes(os.urandom(path.stat().st_size))


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("name", ["device", "below/handler", "ram", seal.SEAL])
@pytest.mark.parametrize("damage", [cut, garble, remove])
def test_what_is_damaged_is_not_whole(
    folder: Path, name: str, damage: Callable[[Path], None]
) -> None:
    damage(folder / name)
    by_its_reading = (name, damage) == ("ram", garble)  # which would take longer than a cell
    assert seal.is_sealed(folder) == by_its_reading


def test_what_came_later_does_not_belong(folder: Path) -> None:
    (folder / "below/more").touch()
    assert not seal.is_sealed(folder)


def test_a_folder_that_is_not_there_is_not_whole(tmp_path: Path) -> None:
    assert not seal.is_sealed(tmp_path / "none")
