# SPDX-License-Identifier: GPL-2.0-only
"""RPM packages that rpmbuild makes, and what rpm says of them (Debian's package `rpm`)."""

from __future__ import annotations

import struct
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.studies.parser_corpus import header_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SPEC = """
Name: {name}
Version: 1
Release: 1
Summary: A package
License: GPL-2.0-only
BuildArch: noarch
%description
A package.
%install
mkdir -p %{{buildroot}}/opt/made/folder
cd %{{buildroot}}/opt/made
{commands}
%files
{files}
"""

_MANY = "seq {count} | xargs touch"

PACKAGES: Mapping[str, tuple[int, str, str]] = {
    "sha256": (8, "echo a > a; : > empty; ln -s a link; ln a hard", "/opt/made"),
    "sha1": (2, "echo a > a", "/opt/made"),
    "sha384": (9, "echo a > a", "/opt/made"),
    "sha512": (10, _MANY.format(count=300), "/opt/made"),
    "sha224": (11, "echo a > a", "/opt/made"),
    "md5": (1, "echo a > a", "/opt/made"),
    "config": (8, "echo a > a; echo b > b", "%config /opt/made/a\n%ghost /opt/made/b"),
    "folders": (8, "mkdir one two", "%dir /opt/made/one\n%dir /opt/made/two"),
    "nothing": (8, "", ""),
    "most": (8, _MANY.format(count=4096), "/opt/made"),
    "too-many": (8, _MANY.format(count=4097), "/opt/made"),
}
"""By name: the digests' algorithm by its number, the commands that make the files, the list."""


@dataclass(frozen=True)
class Package:
    """A package's header, and its digests as rpm prints them."""

    header: bytes
    digests: list[str]
    algo: int


def build_package(name: str, folder: Path) -> Package:
    """Build one package."""
    algo, commands, files = PACKAGES[name]
    spec = folder / f"{name}.spec"
    spec.write_text(_SPEC.format(name=name, commands=commands, files=files))
    defines = (
        f"_topdir {folder}",
        "__os_install_post %{nil}",
        f"_binary_filedigest_algorithm {algo}",
    )
    options = [option for define in defines for option in ("--define", define)]
    _run("rpmbuild", "-bb", "--quiet", *options, str(spec))
    (made,) = (folder / "RPMS").rglob(f"{name}-1-1*.rpm")
    said = _run("rpm", "-qp", "--nosignature", "--qf", "[%{FILEDIGESTS}\\n]", str(made))
    number = _run("rpm", "-qp", "--nosignature", "--qf", "%{FILEDIGESTALGO}", str(made))
    return Package(header_in(made.read_bytes()), said.splitlines(), int(number or "0"))


def named_digests(reply: bytes, header: bytes) -> tuple[int, list[str]]:
    """Return the algorithm and the digest of each file that a reply of the handler names."""
    _, algo, length, files, count = struct.unpack_from("<iIIII", reply)
    found = [""] * files
    for at in range(count):
        index, offset = struct.unpack_from("<II", reply, 20 + 8 * at)
        assert offset + length < len(header)
        assert header[offset + length] == 0
        found[index] = header[offset : offset + length].decode()
    return algo, found


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return "" if done.stdout == "(none)" or done.stdout == "(none)\n" else done.stdout
