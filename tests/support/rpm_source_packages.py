# SPDX-License-Identifier: GPL-2.0-only
"""The RPM packages with which rpm, and other programs that read packages, are tested upstream.

They are in the programs' Debian source packages. apt fetches these with lists of its own: the
machine's lists do not change.
"""

from __future__ import annotations

import re
import subprocess
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from harness.guests.debian import SUITE
from harness.host.debian_archive import debian_archive

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCES = (
    "rpm",
    "createrepo-c",
    "golang-github-cavaliergopher-rpm",
    "golang-github-sassoftware-go-rpmutils",
)
"""The packages of the third are those of CentOS 2.1 to 7."""

_DAMAGE = re.compile(
    r'^dd if=/dev/zero of="\$\{RPMTEST\}"?/tmp/\S+ \\\n'
    r" +conv=notrunc bs=1 seek=(\d+) count=(\d+) ",
    re.MULTILINE,
)
"""How rpm's tests damage a package: they write bytes of zero into a copy."""


class Damage(NamedTuple):
    """Bytes of a package that are overwritten by zeros."""

    start: int
    length: int

    def of(self, package: bytes) -> bytes:
        """Return the package with the damage; as it is, if the damage lies behind its end."""
        end = self.start + self.length
        if end > len(package):
            return package
        return package[: self.start] + bytes(self.length) + package[end:]


def fetch(folder: Path) -> list[Path]:
    """Return the sources' tarballs, fetched into `folder` if they are not there."""
    found = {name: sorted(folder.glob(f"{name}_*.orig.tar.*")) for name in SOURCES}
    if not all(found.values()):
        _fetch(folder)
        found = {name: sorted(folder.glob(f"{name}_*.orig.tar.*")) for name in SOURCES}
    return [tarball for tarballs in found.values() for tarball in tarballs]


def _fetch(folder: Path) -> None:
    with TemporaryDirectory(dir=folder) as scratch:
        root = Path(scratch)
        for name in ("lists/partial", "cache/archives/partial"):
            (root / name).mkdir(parents=True)
        entry = debian_archive(SUITE).entry(SUITE)
        (root / "deb.sources").write_text(entry.replace("Types: deb\n", "Types: deb-src\n"))
        settings = {
            "Dir::Etc::sourcelist": root / "deb.sources",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::lists": root / "lists",
            "Dir::Cache": root / "cache",
        }
        apt = ["apt-get", "--quiet=2"]
        apt += [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        for arguments in (["update"], ["source", "--download-only", "--tar-only", *SOURCES]):
            subprocess.run([*apt, *arguments], cwd=root, check=True, timeout=600)
        for tarball in root.glob("*.orig.tar.*"):
            tarball.rename(folder / tarball.name)


def packages_in(tarballs: list[Path]) -> Mapping[str, bytes]:
    """Return the packages by their places in the sources. Empty files are left out."""
    found: dict[str, bytes] = {}
    for tarball in tarballs:
        found |= _files(tarball, ".rpm")
    return {name: content for name, content in found.items() if content}


def damages_in(tarballs: list[Path]) -> list[Damage]:
    """Return each damage that rpm's own tests make, once."""
    (own,) = (tarball for tarball in tarballs if tarball.name.startswith("rpm_"))
    scripts = b"\n".join(_files(own, ".at").values()).decode()
    return sorted({Damage(int(start), int(length)) for start, length in _DAMAGE.findall(scripts)})


def _files(tarball: Path, suffix: str) -> dict[str, bytes]:
    found = {}
    with tarfile.open(tarball) as opened:
        for member in opened:
            if member.name.endswith(suffix) and (file := opened.extractfile(member)):
                found[member.name] = file.read()
    return found
