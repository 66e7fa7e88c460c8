# SPDX-License-Identifier: GPL-2.0-only
"""Sources of other suites: fetched by the real apt from a small signed archive, or refused."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from small_archive import CONTENT, PACKAGE, SUITE, make_archive, make_key, served

from harness.host import debian_archive as archives
from harness.host.debian_archive import KEYRINGS, Archive, archive_among, debian_archive
from harness.host.errors import UserError
from harness.kernel.series.lines import SourcePackage
from harness.kernel.source import source_package as fetching
from harness.kernel.source.source_package import fetch, find_fetched

if TYPE_CHECKING:
    from collections.abc import Iterator

WANTED = SourcePackage(PACKAGE, SUITE)

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("apt-get", "gpg"))), reason="there is no apt or no gpg here"
)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The homes of two keys: the archive's, and a stranger's."""
    homes = [tmp_path_factory.mktemp(name) / "gpg" for name in ("ours", "strange")]
    for home in homes:
        make_key(home)
    return homes[0], homes[1]


@pytest.fixture
def archive(tmp_path: Path, keys: tuple[Path, Path]) -> Iterator[Archive]:
    root = tmp_path / "archive"
    root.mkdir()
    make_archive(root, keys[0])
    with served(root, keys[0] / "archive.gpg") as made:
        yield made


def test_a_source_is_fetched_once_and_needs_no_network_then(
    archive: Archive, tmp_path: Path
) -> None:
    said: list[str] = []
    found = fetch(WANTED, cache=tmp_path, progress=said.append, archive=archive)
    assert found.tarball.read_bytes() == CONTENT
    assert found.version == "9.9.1-1"
    assert said[0] == f"source: looking for {PACKAGE} of {SUITE} at {archive.uri}"
    kept = sorted(path.name for path in found.tarball.parent.iterdir())
    assert kept == [f"{PACKAGE}.tar.xz", "version"]
    assert [path.name for path in (tmp_path / "sources").iterdir() if path.name[0] == "."] == []
    gone = replace(archive, uri="http://127.0.0.1:1")
    assert fetch(WANTED, cache=tmp_path, progress=said.append, archive=gone) == found
    assert find_fetched(WANTED, cache=tmp_path) == found


def test_the_newest_version_is_taken(
    archive: Archive, tmp_path: Path, keys: tuple[Path, Path]
) -> None:
    shutil.rmtree(tmp_path / "archive/packed")
    make_archive(tmp_path / "archive", keys[0], version="9.9.10-1")
    found = fetch(WANTED, cache=tmp_path, progress=lambda _: None, archive=archive)
    assert found.version == "9.9.10-1"


def test_the_machines_apt_is_as_before(archive: Archive, tmp_path: Path) -> None:
    watched = [Path("/etc/apt"), Path("/var/lib/apt"), Path("/var/cache/apt")]
    before = [state(folder) for folder in watched]
    fetch(WANTED, cache=tmp_path, progress=lambda _: None, archive=archive)
    assert [state(folder) for folder in watched] == before


def state(folder: Path) -> list[tuple[str, int]]:
    paths = [Path(where) / name for where, _, names in os.walk(folder) for name in names]
    return sorted((str(path), path.lstat().st_mtime_ns) for path in paths)


def refused(archive: Archive, cache: Path, wanted: SourcePackage = WANTED) -> str:
    with pytest.raises(UserError) as caught:
        fetch(wanted, cache=cache, progress=lambda _: None, archive=archive)
    assert find_fetched(wanted, cache=cache) is None
    assert not list((cache / "sources").glob(".new-*"))
    return str(caught.value)


def test_a_strangers_signature_is_refused(
    archive: Archive, tmp_path: Path, keys: tuple[Path, Path]
) -> None:
    strange = replace(archive, keyring=keys[1] / "archive.gpg")
    said = refused(strange, tmp_path)
    assert "is not signed by a key of Debian's" in said
    assert said.endswith("apt-get install debian-archive-keyring")


def test_a_changed_package_is_refused(archive: Archive, tmp_path: Path) -> None:
    (deb,) = (tmp_path / "archive/pool").glob("*.deb")
    deb.write_bytes(bytes(reversed(deb.read_bytes())))  # the same size
    assert "apt could not fetch" in refused(archive, tmp_path)


def test_what_is_not_there_is_named(archive: Archive, tmp_path: Path) -> None:
    assert f"{archive.uri} has no suite sid" in refused(
        archive, tmp_path, SourcePackage(PACKAGE, "sid")
    )
    other = SourcePackage("linux-source-8.8", SUITE)
    assert f"{SUITE} of {archive.uri} has no package linux-source-8.8" in refused(
        archive, tmp_path, other
    )
    said = refused(replace(archive, uri="http://127.0.0.1:1"), tmp_path)
    assert "cannot be reached" in said
    assert "once fetched, a source needs neither" in said


def test_a_package_without_a_tarball_is_named(
    archive: Archive, tmp_path: Path, keys: tuple[Path, Path]
) -> None:
    shutil.rmtree(tmp_path / "archive/packed")
    make_archive(tmp_path / "archive", keys[0], name="linux-source")
    said = refused(archive, tmp_path, SourcePackage("linux-source", SUITE))
    assert "holds no /usr/src/linux-source.tar.xz" in said


def test_a_full_disk_is_told_before_anything_is_fetched(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "_NEEDED", 1 << 60)
    assert "umd-harness clean" in refused(archive, tmp_path)


DEBIAN = "http://deb.example/debian/|Debian|trixie|/k.pgp|Packages"
SECURITY = "http://deb.example/debian-security/|Debian|trixie-security|/k.pgp|Packages"
LOCAL = "file:/srv/local/|Debian|trixie|/k.pgp|Packages"
OTHER = "https://packages.example/|Example|trixie|/k.pgp|Packages"
UNSEEN = "http://deb.example/unseen/|$(ORIGIN)|trixie|{}|Packages"


@pytest.mark.parametrize(
    ("targets", "suite", "uri"),
    [
        ([LOCAL, OTHER, SECURITY, DEBIAN], "bookworm", "http://deb.example/debian/"),
        ([DEBIAN, SECURITY], "bookworm-security", "http://deb.example/debian-security/"),
        ([DEBIAN.replace("|Packages", "|Translations")], "bookworm", None),
        ([LOCAL, OTHER], "bookworm", None),
        ([LOCAL.replace("file:", "copy:"), SECURITY], "bookworm", None),
        ([UNSEEN.format("/home/key.pgp")], "bookworm", None),
        ([UNSEEN.format(KEYRINGS[0])], "bookworm", "http://deb.example/unseen/"),
        ([], "bookworm", None),
    ],
)
def test_only_debians_own_archive_is_taken(targets: list[str], suite: str, uri: str | None) -> None:
    assert archive_among(targets, suite=suite) == uri


def test_a_machine_without_such_an_archive_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keyring.pgp").touch()
    monkeypatch.setattr(archives, "KEYRINGS", (tmp_path / "keyring.pgp",))
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    (bin_ / "apt-get").write_text("#!/bin/sh\necho 'file:/srv/|Debian|trixie||Packages'\n")
    (bin_ / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_}:{os.environ['PATH']}")
    with pytest.raises(UserError, match="names no archive of Debian's"):
        debian_archive("trixie")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="fetched with apt, which is not here"):
        debian_archive("trixie")
    monkeypatch.setattr(archives, "KEYRINGS", (tmp_path / "missing.pgp",))
    with pytest.raises(UserError, match="apt-get install debian-archive-keyring"):
        debian_archive("trixie")
