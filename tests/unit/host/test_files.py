# SPDX-License-Identifier: GPL-2.0-only
"""A file is written whole or not at all, and reaches the disk before its name does."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from harness.host.files import sync_tree, write_atomically

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("content", ["text: é\n", b"bytes\0"])
def test_the_content_replaces_the_old_one(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")
    write_atomically(path, content)
    expected = content.encode() if isinstance(content, str) else content
    assert path.read_bytes() == expected
    assert list(path.parent.iterdir()) == [path]


def test_what_utf_8_cannot_encode_is_escaped(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", "a\udcffb")
    assert (tmp_path / "file").read_bytes() == rb"a\udcffb"


def test_the_umask_decides_the_mode(tmp_path: Path) -> None:
    umask = os.umask(0o027)
    try:
        write_atomically(tmp_path / "file", b"")
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_a_failed_write_keeps_the_old_content_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_atomically(path, "new")
    assert caught.value.filename == str(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_is_synced_before_the_rename_and_the_folder_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []
    path = tmp_path / "file"

    def note(fd: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file"
        synced.append((kind, path.exists()))

    monkeypatch.setattr(os, "fsync", note)
    write_atomically(path, "content")
    assert synced == [("file", False), ("folder", True)]


def test_a_tree_is_synced_with_its_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_ino))
    sync_tree(tmp_path)
    expected = [path.stat().st_ino for path in (tmp_path / "a/file", tmp_path / "a", tmp_path)]
    assert synced == expected


def test_a_folder_that_was_removed_stays_removed(tmp_path: Path) -> None:
    path = tmp_path / "removed" / "file"
    with pytest.raises(FileNotFoundError) as caught:
        write_atomically(path, "content")
    assert caught.value.filename == str(path)
    assert not path.parent.exists()
