# SPDX-License-Identifier: GPL-2.0-only
"""Kernel sources from other Debian suites than this machine's: fetched with apt into the cache.

apt runs with a configuration, lists and a keyring of its own. The machine's apt only says where
Debian's archive is and how to reach it; its configuration and lists do not change.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.cache.places import SOURCES
from harness.cache.store import Store
from harness.host.commands import check_disk, clean_environment, output_of, process_group
from harness.host.debian_archive import Archive, debian_archive, network
from harness.host.errors import FREE_SPACE, UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.kernel.series.lines import SourcePackage

_NOTE = "version"  # the file that says which was fetched
_DEADLINE = 1800.0  # seconds for 160 MB; apt itself gives up on an archive that is silent
_NEEDED = 512 << 20  # bytes: the package, the tarball in it, and the suite's index
_PRIVATE = """\
Dir::State "{root}/state";
Dir::State::status "/dev/null";
Dir::Cache "{root}/cache";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::sourcelist "{root}/archive.sources";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::trusted "/dev/null";
Dir::Etc::trustedparts "/dev/null";
APT::Update::Error-Mode "any";
APT::Get::Show-Versions "1";
Acquire::Languages "none";
"""
_FAILURES = (
    # what apt says, what it means (the package is `{0}`, the archive `{1}`), and what to do
    (
        r"Could not (?:resolve|connect)|Cannot initiate|Connection (?:failed|refused|timed out)"
        r"|Network is unreachable|Temporary failure|Connection timeout",
        "the archive {1} cannot be reached",
        "mend the network, or apt's proxy; once fetched, a source needs neither",
    ),
    (
        r"NO_PUBKEY|EXPKEYSIG|BADSIG|[Mm]issing key|[Nn]o good signature|is not signed"
        r"|signatures? (?:were|was|couldn't|verification)|Verifying signature|Sub-process .*sqv",
        "what {1} serves is not signed by a key of Debian's",
        "bring its keys up to date: apt-get install debian-archive-keyring",
    ),
    (
        r"does not have a Release file|404 ",
        "the archive {1} has no suite {2}",
        "correct `suite` in series.toml, or name another archive in apt's sources",
    ),
    (
        r"Unable to locate package|has no installation candidate|Can't (?:find|select)",
        "the suite {2} of {1} has no package {0}",
        "correct `package` and `suite` in series.toml",
    ),
)


@dataclass(frozen=True)
class Fetched:
    """A tarball, and the version of the package that it was in."""

    tarball: Path
    version: str


def find_fetched(package: SourcePackage, *, cache: Path) -> Fetched | None:
    """Return what was fetched before, or None; no network is needed."""
    place = _store(cache).find(_key(package))
    return None if place is None else _fetched(package, place)


def fetch(
    package: SourcePackage,
    *,
    cache: Path,
    progress: Callable[[str], None],
    archive: Archive | None = None,
) -> Fetched:
    """Return the package's tarball; fetch the suite's newest version if there is none yet.

    `archive` is the one that the machine's apt names if not given. Raises UserError.
    """
    if (found := find_fetched(package, cache=cache)) is not None:
        return found

    def fill(new: Path) -> None:
        _check_space(new, package)
        _fetch(package, archive or debian_archive(package.suite), new, progress=progress)

    return _fetched(package, _store(cache).find_or_make(_key(package), fill))


def _store(cache: Path) -> Store:
    return Store(SOURCES.path(cache), seconds=_DEADLINE, is_sealed=False)


def _key(package: SourcePackage) -> str:
    return f"{package.name}_{package.suite}"


def _fetched(package: SourcePackage, place: Path) -> Fetched:
    return Fetched(place / f"{package.name}.tar.xz", (place / _NOTE).read_text().strip())


def _check_space(folder: Path, package: SourcePackage) -> None:
    if shutil.disk_usage(folder).free < _NEEDED:
        raise UserError(
            f"to fetch {package}, {folder.parent.parent} needs {_NEEDED >> 20} MiB free",
            hint=FREE_SPACE,
        )


def _fetch(
    package: SourcePackage, archive: Archive, new: Path, *, progress: Callable[[str], None]
) -> None:
    """Fill the folder `new` with the tarball and its note; apt works beside that folder."""
    root = new.parent
    for name in ("state/lists/partial", "cache/archives/partial"):
        (root / name).mkdir(parents=True)
    (root / "archive.sources").write_text(archive.entry(package.suite))
    config = root / "apt.conf"
    config.touch(mode=0o600)  # a proxy's address may hold a password
    config.write_text(_PRIVATE.format(root=root) + network())
    progress(f"source: looking for {package} at {archive.uri}")
    _apt(["update"], root, package=package, archive=archive, progress=lambda: None)
    _apt(
        ["download", package.name],
        root,
        package=package,
        archive=archive,
        progress=lambda: progress(f"source: fetching {package}, {_mib(root)} MiB"),
    )
    (deb,) = root.glob("*.deb")
    progress(f"source: unpacking {deb.name}")
    _extract(deb, f"usr/src/{package.name}.tar.xz", new / f"{package.name}.tar.xz")
    _, version = output_of(["dpkg-deb", "--field", str(deb), "Version"])
    (new / _NOTE).write_text(version)


def _mib(root: Path) -> int:
    return sum(path.stat().st_size for path in root.glob("**/*.deb")) >> 20


def _apt(
    arguments: list[str],
    root: Path,
    *,
    package: SourcePackage,
    archive: Archive,
    progress: Callable[[], None],
) -> None:
    proxies = {name: value for name, value in os.environ.items() if name.endswith("_proxy")}
    env = {**clean_environment(), **proxies, "APT_CONFIG": str(root / "apt.conf")}
    start = time.monotonic()
    with process_group(["apt-get", "--quiet=1", *arguments], cwd=root, env=env) as process:
        while True:
            try:
                output, _ = process.communicate(timeout=0.5)
                break
            except subprocess.TimeoutExpired as error:
                if time.monotonic() - start > _DEADLINE:
                    raise UserError(
                        f"{archive.uri} did not serve {package} within {_DEADLINE / 60:.0f} min",
                        hint="try again when the network is faster",
                    ) from error
                progress()
    if process.returncode != 0:
        raise _failure(output.decode(errors="replace"), package, archive, root)


def _failure(said: str, package: SourcePackage, archive: Archive, root: Path) -> UserError:
    check_disk(said, where=root)
    last = next((line for line in said.splitlines() if line.startswith("E: ")), "E: no reason")
    for pattern, meaning, hint in _FAILURES:
        if re.search(pattern, said):
            what = meaning.format(package.name, archive.uri, package.suite)
            return UserError(f"{what} ({last[3:]})", hint=hint)
    return UserError(f"apt could not fetch {package}: {last[3:]}", hint="mend what it names")


def _extract(deb: Path, member: str, target: Path) -> None:
    """Take one file out of a package. Raises UserError if it has no such file."""
    unpacked = deb.with_suffix("")
    argv = ["dpkg-deb", "--extract", str(deb), str(unpacked)]
    status, output = output_of(argv, cwd=deb.parent, deadline=_DEADLINE)
    if status != 0:
        raise UserError(f"{deb.name} is damaged: {output.strip()}", hint="try again")
    if not (unpacked / member).is_file():
        raise UserError(
            f"the package {deb.name} holds no /{member}", hint="correct `package` in series.toml"
        )
    (unpacked / member).rename(target)
