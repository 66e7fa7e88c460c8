# SPDX-License-Identifier: GPL-2.0-only
"""The tarball: found, hashed once, unpacked whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from miniature_kernel import FILES, LINE, pack

from harness.host.commands import process_group
from harness.host.errors import UserError
from harness.host.paths import cache_dir
from harness.kernel.source import tarball as tarball_module
from harness.kernel.source.tarball import find_source, partial_tree, unpack

if TYPE_CHECKING:
    from pathlib import Path


def test_hash_is_remembered_until_the_tarball_changes(tmp_path: Path) -> None:
    tarball = pack(tmp_path, FILES)
    first = find_source(LINE, cache=tmp_path, where=tmp_path)
    # Same size and time, other content: if it were read again, the hash would differ.
    stat = tarball.stat()
    tarball.write_bytes(b"\0" * stat.st_size)
    os.utime(tarball, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert find_source(LINE, cache=tmp_path, where=tmp_path) == first
    os.utime(tarball)
    assert find_source(LINE, cache=tmp_path, where=tmp_path).digest != first.digest


def test_missing_source_names_the_package(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"apt-get install linux-source-6\.12"):
        find_source(LINE, cache=tmp_path, where=tmp_path)


@pytest.mark.parametrize("note", ['{"seen": [', "[]", '{"seen": 5, "digest": "d"}'])
def test_a_damaged_note_has_the_tarball_hashed_again(tmp_path: Path, note: str) -> None:
    pack(tmp_path, FILES)
    first = find_source(LINE, cache=tmp_path, where=tmp_path)
    (tmp_path / f"source-{LINE}.json").write_text(note)
    assert find_source(LINE, cache=tmp_path, where=tmp_path) == first


def test_unpack_takes_the_members_asked_for(tmp_path: Path) -> None:
    pack(tmp_path, FILES)
    source = find_source(LINE, cache=tmp_path, where=tmp_path)
    unpack(source, tmp_path / "part", members=["kernel/*", "no/such/file"])
    assert sorted(path.name for path in (tmp_path / "part").iterdir()) == ["kernel"]


def test_a_part_is_unpacked_once_for_the_same_members(tmp_path: Path) -> None:
    tarball = pack(tmp_path, FILES)
    source = find_source(LINE, cache=tmp_path, where=tmp_path)
    part = partial_tree(source, ["kernel/fork.c", "no/such/file"], cache=tmp_path)
    assert [path.name for path in part.rglob("*.*")] == ["fork.c"]
    other = partial_tree(source, ["lib/*"], cache=tmp_path)
    assert [path.name for path in other.rglob("*.*")] == ["string.c"]
    tarball.unlink()
    assert partial_tree(source, ("kernel/fork.c", "no/such/file"), cache=tmp_path) == part


def test_cut_tarball_leaves_no_tree(tmp_path: Path) -> None:
    tarball = pack(tmp_path, FILES)
    tarball.write_bytes(tarball.read_bytes()[:-40])
    source = find_source(LINE, cache=tmp_path, where=tmp_path)
    with pytest.raises(UserError, match="could not unpack"):
        unpack(source, tmp_path / "tree")
    with pytest.raises(UserError, match="could not unpack"):
        unpack(source, tmp_path / "tree", members=["kernel/*"])
    assert not list(tmp_path.glob("*tree*"))
    assert not list(tmp_path.glob(".new-*"))


def test_tar_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tarball_module, "_mib_in", lambda _: 100)
    slow = """
    printf '/usr/bin/tar: at 1000\\ntar: at 2000\\ntar: a: Cannot open\\n'
    until [ -e told ]; do sleep 0.02; done
    """
    said: list[str] = []

    def progress(text: str) -> None:
        said.append(text)
        if ": 19 of 100 MiB" in text:
            (tmp_path / "told").touch()

    with process_group(["sh", "-c", slow], cwd=tmp_path) as process:
        output = tarball_module._followed(process, tmp_path / "linux.tar.xz", progress)
    assert output == b"tar: a: Cannot open\n"
    assert said[0] == "source: unpacking linux.tar.xz: 0 of 100 MiB"
    assert "left" in said[-1]


def test_the_size_of_a_tarball_is_known_beforehand(tmp_path: Path) -> None:
    big = pack(tmp_path, {"lib/zero.c": "0" * (3 << 20)})
    assert tarball_module._mib_in(big) == 3
    (tmp_path / "none").touch()
    assert tarball_module._mib_in(tmp_path / "none") == 0


def test_relative_cache_home_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_dir() == tmp_path / ".cache/umd-harness"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    assert cache_dir() == tmp_path / "elsewhere/umd-harness"
