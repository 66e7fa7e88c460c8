# SPDX-License-Identifier: GPL-2.0-only
"""The Debian guest's disk: found by what it is made from, whole or made again, and its failures."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from harness.cache.integrity import seal
from harness.guests import debian as recipes
from harness.guests.debian import debian_image, find_debian_image, packages_wanted, recipe_key
from harness.host.errors import UserError
from harness.host.paths import cache_dir

if TYPE_CHECKING:
    from pathlib import Path

STATUS = """\
Package: adduser
Status: install ok installed
Architecture: all
Version: 3.152

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.41-12
Description: a
 Version: not this one
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache_dir()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the recipe, to be changed."""
    copy = tmp_path / "debian"
    shutil.copytree(recipes.FOLDER, copy)
    monkeypatch.setattr(recipes, "FOLDER", copy)
    return copy


def put(directory: Path, *names: str) -> None:
    directory.mkdir(parents=True)
    for name in names:
        (directory / name).write_bytes(b"whole")
    seal(directory)


def command(folder: Path, name: str, script: str) -> None:
    """A program that stands first on PATH."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_what_goes_in_decides_the_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {recipe_key()}
    assert recipe_key() in keys
    with (folder / "packages").open("a") as packages:
        packages.write("strace\n")
    keys.add(recipe_key())
    (folder / "root/etc/more").write_text("more")
    keys.add(recipe_key())
    (folder / "root/etc/more").chmod(0o755)
    keys.add(recipe_key())
    (folder / "root/etc/more").rename(folder / "root/etc/other")
    keys.add(recipe_key())
    rules = folder / "rules.cil"
    rules.write_text("")
    monkeypatch.setattr(recipes, "selinux_sources", lambda _: [rules])
    keys.add(recipe_key())
    rules.write_text("(type mine_t)")
    keys.add(recipe_key())
    assert len(keys) == 7


def test_the_packages_are_what_the_file_names(folder: Path) -> None:
    (folder / "packages").write_text("# a word\nsystemd\n\nudev # why\n")
    assert packages_wanted() == ["systemd", "udev"]


def test_what_was_made_is_found_while_it_is_whole(cache: Path) -> None:
    assert find_debian_image() is None
    place = cache / "debian" / recipe_key()
    put(place, "disk.raw", "empty.qcow2", "packages.txt")
    found = debian_image(progress=pytest.fail)
    assert found == find_debian_image()
    assert found.base.read_bytes() == b"whole"
    found.packages.write_bytes(b"cut")
    assert find_debian_image() is None


def test_the_installed_packages_are_listed_with_their_versions(tmp_path: Path) -> None:
    path = tmp_path / "root.tar"
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("./var/lib/dpkg/status")
        member.size = len(STATUS.encode())
        archive.addfile(member, io.BytesIO(STATUS.encode()))
    assert recipes._installed(path) == "adduser:all 3.152\nlibc6:amd64 2.41-12\n"


def test_a_root_directory_without_a_list_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "root.tar"
    tarfile.open(path, "w").close()
    with pytest.raises(UserError, match="no list of packages"):
        recipes._installed(path)


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ("E: apt-get update failed", "could not make the Debian image: apt-get update failed"),
        ("E: newuidmap 7 failed", "no user namespace to work in"),
        (
            "W: /etc/subuid is empty\nE: failed to parse /etc/subuid and /etc/subgid",
            "no user namespace to work in (failed to parse /etc/subuid",
        ),
        ("E: cannot write: No space left on device", "no space left on the disk"),
        ("", "could not make the Debian image: no reason"),
    ],
)
def test_a_failure_is_one_line_and_leaves_nothing(
    says: str, told: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(tmp_path / "bin", "mmdebstrap", f"echo 'I: begun'; echo '{says}' >&2; exit 25")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin")
    said: list[str] = []
    with pytest.raises(UserError) as error:
        debian_image(progress=said.append)
    assert told in error.value.message
    assert "\n" not in str(error.value)
    assert said[0].startswith("Debian image: begun")
    assert list((cache / "debian").iterdir()) == []


def test_a_full_disk_is_told_before_anything_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes, "_NEEDED", 1 << 60)
    with pytest.raises(UserError, match="free at"):
        debian_image(progress=pytest.fail)


def test_a_disk_is_made_of_a_tarball_without_root_and_without_a_mount(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a tarball of our own in mmdebstrap's place; mke2fs and qemu-img are the real ones."""
    monkeypatch.setattr(recipes, "add_policy", lambda *_: None)
    root = tmp_path / "root.tar"
    with tarfile.open(root, "w") as archive:
        for name in ("./", "./etc", "./var", "./var/lib", "./var/lib/dpkg"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(folder)
        for name, data in (("./var/lib/dpkg/status", STATUS), ("./etc/owned", "by 7")):
            member = tarfile.TarInfo(name)
            member.size, member.uid, member.mode = len(data.encode()), 7, 0o640
            archive.addfile(member, io.BytesIO(data.encode()))
    # The last but one of its arguments is the tarball.
    command(
        tmp_path / "bin",
        "mmdebstrap",
        f'while [ $# -gt 2 ]; do shift; done; cp {root} "$1"; echo "I: done"',
    )
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin")
    made = debian_image(progress=lambda _: None)
    assert made.packages.read_text() == "adduser:all 3.152\nlibc6:amd64 2.41-12\n"
    assert made.base.stat().st_size == recipes.DISK_MIB << 20
    assert made.base.stat().st_blocks * 512 < 64 << 20, "sparse"
    told = subprocess.run(
        ["debugfs", "-R", "stat /etc/owned", made.base], capture_output=True, text=True, check=True
    )
    assert "User:     7" in told.stdout
    assert find_debian_image() == made
    assert [path.name for path in (cache / "debian").iterdir()] == [made.key]
