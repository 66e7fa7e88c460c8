# SPDX-License-Identifier: GPL-2.0-only
"""The kernel lines: their names, the nearest to a version, and their source packages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.kernel.series.toml_table import check_keys, read_table

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_LINE = "6.12"
"""The kernel line that commands take unless `--line` names another."""


@dataclass(frozen=True)
class SourcePackage:
    """A Debian package with a kernel's source, and the suite that has the package."""

    name: str
    suite: str

    def __str__(self) -> str:
        """Return the package's name for messages."""
        return f"{self.name} of {self.suite}"


def kernel_lines(patches: Path) -> list[str]:
    """Return the names of the kernel lines, the oldest first. Each has a folder of its name."""
    lines = [path.parent.name for path in patches.glob("*/series.toml")]
    return sorted(lines, key=lambda line: [int(part) for part in re.findall(r"\d+", line)])


def check_line(line: str, *, patches: Path) -> None:
    """Raise UserError if there is no such kernel line."""
    lines = kernel_lines(patches)
    if line not in lines:
        raise UserError(f"there is no kernel line {line}", hint=f"take {', '.join(lines)}")


def nearest_line(version: str, *, patches: Path) -> str:
    """Return the line whose series best fits a tree of a version such as 6.6.1; empty if none.

    This is the line with the fewest releases in between. A line's `until` is the last release that
    its series fits. Raises UserError for an `until` that is no release.
    """
    if not version[:1].isdigit():
        return ""
    wanted = _release(version)
    ends = {line: _until(line, patches=patches) for line in kernel_lines(patches)}
    lines = [line for line, end in ends.items() if not end or wanted <= _release(end)]
    # Of two lines at the same distance, take the newer: from 6.17 on, a tree lacks the framework,
    # # and only the newer line's series adds it.
    return min(reversed(lines), key=lambda line: abs(_release(line) - wanted), default="")


def _until(line: str, *, patches: Path) -> str:
    path = patches / line / "series.toml"
    until = str(read_table(path).get("until", ""))
    if until and not re.fullmatch(r"\d+\.\d+", until):
        raise UserError(f"{path} has until = {until!r}, no release", hint='write it as in "6.6"')
    return until


def _release(version: str) -> int:
    """Return the number of Linux releases up to this one: 20 for each major number since 4.0."""
    major, minor, *_ = (*map(int, re.findall(r"\d+", version)), 0, 0)
    return 20 * major + minor


def source_package(line: str, *, patches: Path) -> SourcePackage | None:
    """Return the package to fetch the line's source from; None if it is an installed package."""
    path = patches / line / "series.toml"
    entry = read_table(path).get("source") if path.is_file() else None
    if entry is None:
        return None
    where = f"{path}, [source]"
    if not isinstance(entry, dict):
        raise UserError(f"{where} is no table", hint="write [source], then package and suite")
    check_keys(entry, allowed={"package", "suite"}, where=where)
    for key in ("package", "suite"):
        # The value becomes part of a path and of apt's sources.
        if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", str(entry.get(key, ""))):
            raise UserError(f"{where} has no `{key}` by Debian's rules", hint="give it one")
    return SourcePackage(str(entry["package"]), str(entry["suite"]))
