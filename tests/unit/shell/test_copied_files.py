# SPDX-License-Identifier: GPL-2.0-only
"""Files for a shell: copied whole, with their permissions; what cannot be copied is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from local_agent import local_attacker

from harness.host.errors import UserError
from harness.shell import copied_files
from harness.shell.copied_files import check_files, copy_files

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the guest, which is this host."""
    folder = tmp_path / "guest"
    folder.mkdir()
    monkeypatch.setattr(copied_files, "FOLDER", str(folder))
    return folder


def test_content_and_permissions_are_copied(tmp_path: Path, guest: Path) -> None:
    files = [tmp_path / "program", tmp_path / "large"]
    files[0].write_text("#!")
    files[0].chmod(0o755)
    files[1].write_bytes(bytes(range(256)) * 4096)
    files[1].chmod(0o640)
    check_files(files)
    with local_attacker() as attacker:
        copy_files(files, attacker)
    for path in files:
        copied = guest / path.name
        assert copied.read_bytes() == path.read_bytes()
        assert copied.stat().st_mode == path.stat().st_mode


def test_what_the_guest_refuses_is_told(tmp_path: Path, guest: Path) -> None:
    (tmp_path / "taken").write_text("x")
    (guest / "taken").mkdir()
    with (
        local_attacker() as attacker,
        pytest.raises(UserError, match=r"the guest does not take .*/taken: .*EISDIR at openat"),
    ):
        copy_files([tmp_path / "taken"], attacker)


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same").write_text(folder)
    check_files([tmp_path / "one" / "same"])
    with pytest.raises(UserError, match="two files to copy are called same; rename one of them"):
        check_files([tmp_path / "one" / "same", tmp_path / "two" / "same"])
