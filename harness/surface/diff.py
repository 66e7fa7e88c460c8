# SPDX-License-Identifier: GPL-2.0-only
"""The difference of two kernels' attack surfaces, and the additions of our own series."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.host.paths import KERNEL_PATCHES, cache_dir
from harness.kernel.series.series_file import load_series
from harness.kernel.source.tarball import find_source, partial_tree
from harness.kernel.source.tree import FRAMEWORK, scratch_tree, touched_files
from harness.surface.openings import functions, openings
from harness.surface.review import REVIEWED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from harness.surface.facts import Facts
    from harness.surface.report import Counted

OURS = REVIEWED / "ours.toml"
_USER_SPACE = "tools/"
"""The folder of the kernel's user space tools, which are no part of the attack surface."""

_BY_FUNCTION = ("entries", "senders", "writes", "spares")
"""The routes whose entries begin with the name of a function."""


@dataclass(frozen=True)
class Addition:
    """An entry that only one kernel has. `why` is empty if no reviewed reason exists."""

    route: str
    name: str
    where: str
    requirement: str = ""
    why: str = ""


def added(base: Facts, facts: Facts) -> list[Addition]:
    """Return the entries in `facts` that `base` lacks, for the routes that both have."""
    return [
        Addition(route, name, where)
        for route, found in facts.routes.items()
        if route in base.routes
        for name, where in found.items()
        if name not in base.routes[route]
    ]


def added_by_series(line: str, facts: Facts) -> list[Addition]:
    """Return what our series adds to the kernel of its line. Raises UserError.

    This needs no build of the stock kernel. The sources show which functions are new, and the
    entries of these functions are new as well. The sources are made for this: the build tree may
    hold a step of the series.
    """
    stock, patched = _sources(line)
    before = openings(stock)
    known = {name for name, _, _ in functions(stock)}
    new = {name for name, _, _ in functions(patched)} - known
    found = [
        Addition("source", name, where)
        for name, where in openings(patched).items()
        if name not in before
    ]
    for route in _BY_FUNCTION:
        for name, where in facts.routes[route].items():
            if name.split(":")[0] in new:
                found.append(Addition(route, name, where))
    return found


def _sources(line: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the texts of the kernel files that the series changes, before and after it."""
    series = load_series(line, patches=KERNEL_PATCHES)
    source = find_source(line, cache=cache_dir())
    stock = partial_tree(source, [FRAMEWORK, *touched_files(series)], cache=cache_dir())
    with scratch_tree(series, source, stock) as patched:
        return kernel_texts(stock), kernel_texts(patched.source)


def kernel_texts(folder: Path) -> dict[str, str]:
    """Return the texts of the files below a source's folder by their paths, without user space."""
    texts = {}
    for path in sorted(filter(Path.is_file, folder.rglob("*"))):
        name = str(path.relative_to(folder))
        if not name.startswith(_USER_SPACE):
            texts[name] = path.read_text(errors="replace")
    return texts


def justify(
    additions: Collection[Addition], *, path: Path = OURS
) -> tuple[list[Addition], list[str]]:
    """Return the additions with their reviewed reasons, and the names of stale reasons."""
    reasons = _reasons(path)
    used: set[str] = set()
    judged = []
    for one in additions:
        key = f"{one.route} {one.name}"
        pattern = next((p for p in (key, *reasons) if p in reasons and fnmatchcase(key, p)), "")
        used.add(pattern)
        requirement, why = reasons.get(pattern, ("", ""))
        judged.append(replace(one, requirement=requirement, why=why))
    return judged, [name for name in reasons if name not in used]


def _reasons(path: Path) -> Mapping[str, tuple[str, str]]:
    """Return requirement and reason of each addition. Raises UserError for a duplicate."""
    found: dict[str, tuple[str, str]] = {}
    for group in tomllib.loads(path.read_text())["justified"]:
        for route, names in group["adds"].items():
            for name in names:
                if f"{route} {name}" in found:
                    raise UserError(
                        f"{path} justifies {name} twice", hint="remove one of the reasons"
                    )
                found[f"{route} {name}"] = group["requirement"], group["because"]
    return found


def series_report(line: str, additions: Collection[Addition], stale: Collection[str]) -> str:
    """Return a report of the additions of the series and their reasons."""
    unjustified = sum(not one.requirement for one in additions)
    title = f"our series adds {len(additions)} to the surface of {line}, {unjustified} unjustified"
    return "\n".join([title, *_by_route(additions), *_stale(stale)])


def _by_route(additions: Collection[Addition]) -> Iterator[str]:
    last = ""
    for one in additions:
        if one.route != last:
            yield from ("", f"{one.route}:")
            last = one.route
        reason = f"{one.requirement}: {one.why}" if one.requirement else "NOT JUSTIFIED"
        yield f"  {one.name}  ({reason})"


def _stale(stale: Collection[str]) -> Iterator[str]:
    for name in stale:
        yield f"stale: {OURS.name} justifies {name}, which is not added"


def diff_report(base: Facts, facts: Facts, counted: Collection[Counted]) -> str:
    """Return a report of the entries that `base` lacks, and the number that `facts` lacks."""
    new = {(one.route, one.name) for one in added(base, facts)}
    lines = [f"{facts.name} has {len(new)} that {base.name} has not:"]
    for one in counted:
        for entry in one.entries:
            if (one.route.name, entry.name) in new:
                lines.append(f"  {one.route.name:<9}{entry.state:<8} {entry.name}  ({entry.why})")
    lines.append(f"{base.name} has {len(added(facts, base))} that {facts.name} has not")
    return "\n".join(lines)
