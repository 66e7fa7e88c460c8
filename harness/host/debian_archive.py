# SPDX-License-Identifier: GPL-2.0-only
"""Debian's archive, as this machine's apt reaches it, and the keys that must sign it."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.host.commands import output_of
from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable

KEYRINGS = tuple(
    Path(f"/usr/share/keyrings/debian-archive-keyring.{suffix}") for suffix in ("pgp", "gpg")
)
"""Debian's keys. The file's name depends on the release."""

_TARGET = "$(REPO_URI)|$(ORIGIN)|$(RELEASE)|$(SIGNED_BY)|$(CREATED_BY)"
_NETWORK = re.compile(r'^Acquire::(?:https?|socks|Retries|Force|Check|Queue)\b.* ".*";$', re.M)
_SOURCES = """\
Types: deb
URIs: {uri}
Suites: {suites}
Components: main
Architectures: amd64
Signed-By: {keyring}
"""


@dataclass(frozen=True)
class Archive:
    """Where a suite is, and the keys that must sign it."""

    uri: str
    keyring: Path

    def entry(self, *suites: str) -> str:
        """Return the entry of a .sources file for suites of the archive."""
        return _SOURCES.format(uri=self.uri, suites=" ".join(suites), keyring=self.keyring)


def debian_archive(suite: str) -> Archive:
    """Return the Debian archive that has `suite`, from this machine's apt sources.

    Raises UserError.
    """
    keyring = next(filter(Path.is_file, KEYRINGS), None)
    if keyring is None:
        raise UserError(
            f"there are no keys of Debian's here to check what is fetched ({KEYRINGS[0]})",
            hint="apt-get install debian-archive-keyring",
        )
    if shutil.which("apt-get") is None:
        raise UserError(
            "kernel sources and packages are fetched with apt, which is not here",
            hint="copy the folders `sources` and `debian` of the cache from a Debian machine",
        )
    argv = ["apt-get", "indextargets", "--format", _TARGET]
    status, output = output_of(argv)
    uri = archive_among(output.splitlines(), suite=suite) if status == 0 else None
    if uri is None:
        raise UserError(
            "this machine's apt names no archive of Debian's to fetch from",
            hint="name one in /etc/apt/sources.list.d, with `Signed-By:`, and apt-get update",
        )
    return Archive(uri, keyring)


def archive_among(targets: Iterable[str], *, suite: str) -> str | None:
    """Return the URI for `suite` among lines of `apt-get indextargets` in the format _TARGET.

    An archive counts if its lists name Debian as the origin. Where apt never updated its lists, it
    counts if Debian's keys must sign it. Local folders never count. Security updates have another
    archive.
    """
    for target in targets:
        uri, origin, release, signed_by, created_by = target.split("|")
        is_debian = origin == "Debian" or (
            origin == "$(ORIGIN)" and signed_by in map(str, KEYRINGS)
        )
        is_remote = uri.startswith(("http://", "https://"))
        same_kind = release.endswith("-security") is suite.endswith("-security")
        if created_by == "Packages" and is_debian and is_remote and same_kind:
            return uri
    return None


def network() -> str:
    """Return the network settings of this machine's apt configuration."""
    status, output = output_of(["apt-config", "dump", "Acquire"])
    return "".join(f"{line}\n" for line in _NETWORK.findall(output)) if status == 0 else ""
