# SPDX-License-Identifier: GPL-2.0-only
"""Reads `series.toml`, the file that declares the patch series of a kernel line."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from harness.host.errors import UserError
from harness.kernel.series.commits import Commit, Part, Series
from harness.kernel.series.lines import kernel_lines
from harness.kernel.series.toml_table import check_keys, read_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


_KEYS = {"commit", "handlers", "lacks", "like", "source", "until"}
_COMMIT_KEYS = {"subject", "part", "body", "witness_body", "overlay", "patch"}


def load_series(line: str, *, patches: Path) -> Series:
    """Read `<patches>/<line>/series.toml`. Every overlay file must belong to exactly one commit.

    With `like`, the commits of that line follow. Their patches have the same names in this folder.
    """
    path = patches / line / "series.toml"
    if not path.is_file():
        raise UserError(
            f"there is no kernel line {line}: {path} is missing",
            hint=f"there is {', '.join(kernel_lines(patches)) or 'none'}",
        )
    table = read_table(path)
    check_keys(table, allowed=_KEYS, where=str(path))
    model = _model(table, path=path, patches=patches)
    entries = [*table.get("commit", ()), *model.get("commit", ())]
    if not entries:
        raise UserError(f"{path} names no commit", hint="add a [[commit]] with a subject")
    overlays = [folder / "overlay" for folder in (patches, path.parent)]
    commits = tuple(_commit(entry, path=path, overlays=overlays) for entry in entries)
    _check_named_once(commits, path=path, overlays=overlays)
    _check_parts(commits, path=path)
    config = path.with_name("line.config")
    return Series(
        line,
        overlays[0],
        commits,
        tuple(table.get("handlers", model.get("handlers", ()))),
        own=overlays[1],
        config=config if config.is_file() else None,
        lacks=_lacks(table, where=str(path)),
    )


def _model(table: Mapping[str, Any], *, path: Path, patches: Path) -> Mapping[str, Any]:
    """Return the series.toml of the line that `like` names; empty without `like`."""
    if "like" not in table:
        return {}
    model = patches / str(table["like"]) / "series.toml"
    if model == path or not model.is_file() or "like" in read_table(model):
        raise UserError(
            f"{path} wants to be like {table['like']}, which has no series of its own",
            hint="name a line that has, and is like no other",
        )
    return read_table(model)


def _lacks(table: Mapping[str, Any], *, where: str) -> Mapping[str, str]:
    lacks = {name.removeprefix("CONFIG_"): why for name, why in table.get("lacks", {}).items()}
    for name, why in lacks.items():
        if not isinstance(why, str) or not why.strip():
            raise UserError(f"{where} gives no reason why it lacks {name}", hint="write one")
    return MappingProxyType(lacks)


def _commit(entry: Mapping[str, Any], *, path: Path, overlays: list[Path]) -> Commit:
    subject = str(entry.get("subject", ""))
    where = f"{path}, commit “{subject}”"
    check_keys(entry, allowed=_COMMIT_KEYS, where=where)
    if not subject:
        raise UserError(f"{path} has a commit without a subject", hint="give it one")
    files = tuple(
        name
        for pattern in entry.get("overlay", ())
        for name in _matches(pattern, overlays=overlays, where=where)
    )
    patch = path.parent / entry["patch"] if "patch" in entry else None
    if patch is not None and not patch.is_file():
        raise UserError(f"{where} names {patch.name}, which is missing", hint=f"add {patch}")
    body, witness_body = (str(entry.get(key, "")) for key in ("body", "witness_body"))
    part = _part(entry["part"], where=where) if "part" in entry else None
    return Commit(subject, body, files, patch, witness_body, part=part)


def _part(name: str, *, where: str) -> Part:
    if name not in list(Part):
        raise UserError(f"{where} is of an unknown part `{name}`", hint=f"take {', '.join(Part)}")
    return Part(name)


def _check_parts(commits: tuple[Commit, ...], *, path: Path) -> None:
    """Each part goes on top of the parts before it, so that their commits may not be mixed."""
    order = [None, *Part]
    for one, other in pairwise(commits):
        if (one.part is None) is not (other.part is None):
            raise UserError(
                f"{path} gives only some commits a part: one of “{one.subject}” and "
                f"“{other.subject}” has none",
                hint="give all of them a part, or none",
            )
        if order.index(one.part) > order.index(other.part):
            raise UserError(
                f"{path} has “{other.subject}” of the part {other.part} after “{one.subject}” of "
                f"the part {one.part}",
                hint=f"the order is {', '.join(Part)}",
            )


def _files(overlay: Path, pattern: str) -> set[str]:
    return {str(path.relative_to(overlay)) for path in overlay.glob(pattern) if path.is_file()}


def _matches(pattern: str, *, overlays: list[Path], where: str) -> list[str]:
    found = {name for overlay in overlays for name in _files(overlay, pattern)}
    if not found:
        raise UserError(
            f"{where} names {pattern}, which matches no file under {overlays[0]}",
            hint="correct the name, or remove it from the commit",
        )
    return sorted(found)


def _check_named_once(commits: tuple[Commit, ...], *, path: Path, overlays: list[Path]) -> None:
    named = Counter(name for commit in commits for name in commit.overlay)
    twice = sorted(name for name, count in named.items() if count > 1)
    if twice:
        raise UserError(
            f"{path} names {twice[0]} in more than one commit",
            hint="a file is added by one commit; keep one of them",
        )
    shared, own = (_files(overlay, "**/*") for overlay in overlays)
    if both := sorted(shared & own):
        raise UserError(
            f"the overlay file {both[0]} is in {overlays[1]} as well as in {overlays[0]}",
            hint="keep the shared one, and let a patch of the line's change it",
        )
    unnamed = sorted((shared | own) - named.keys())
    if unnamed:
        raise UserError(
            f"no commit of {path} names the overlay file {unnamed[0]}",
            hint="name it in the commit that adds it, or remove the file",
        )
