# SPDX-License-Identifier: GPL-2.0-only
"""What a build is asked for, where it works, and the plan: all inputs of an image, and its key."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from harness.host.paths import KERNEL_PATCHES
from harness.kernel.build.kcov import kcov_recipe
from harness.kernel.build.make import RECIPE
from harness.kernel.build.signing import SigningKey, signing_key
from harness.kernel.build.toolchain import toolchain
from harness.kernel.choice.parts import parts_of
from harness.kernel.series.series_file import load_series
from harness.kernel.source.tarball import SOURCE_DIR, Source, find_source, partial_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from harness.kernel.choice.kernel_choice import KernelChoice
    from harness.kernel.series.commits import Series
    from harness.kernel.source.checkout import Checkout

TARGETS = ("bzImage", "modules")
"""What make builds."""

_FRAGMENTS = ("base.config", "witness.config")

DEBUG_INFO = ("DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT", "DEBUG_INFO_BTF", "SCHED_CLASS_EXT")
"""Debugging information takes half of a build's time; one option depends on it."""


@dataclass(frozen=True)
class BuildRequest:
    """Which kernel is wanted."""

    line: str = "6.12"
    """The kernel line; with a `choice`, what that kernel is called."""

    flavour: str = ""
    """The name of one more fragment, config/<flavour>.config; empty for none."""

    step: int | None = None
    """How many commits of the series, with the witness on top (Series.step); None for all."""

    has_witness: bool = True
    """Whether the witness is on top. A kernel without it has no debugging information either."""

    choice: KernelChoice | None = None
    """The user's own kernel, in place of the line's."""

    @property
    def folder(self) -> str:
        """The name of the kept build tree."""
        if self.choice:
            return self.choice.folder
        return self.line if self.has_witness else f"{self.line}-plain"


@dataclass(frozen=True)
class Workspace:
    """Where a build reads and writes."""

    cache: Path
    patches: Path = KERNEL_PATCHES
    """The series, overlay and configuration."""

    sources: Path = SOURCE_DIR
    """Where the distribution installs the kernel tarballs."""

    free_space: int | None = None
    """The bytes that must be free on the cache's disk; None to estimate them."""


@dataclass(frozen=True)
class BuildPlan:
    """All inputs of an image, and the key that names them."""

    source: Source | Checkout
    series: Series
    fragments: tuple[Path, ...]
    """Every option of these must survive."""

    optional: tuple[Path, ...]
    """Of these, the options count that the tree knows."""

    signing: SigningKey
    key: str
    meta: dict[str, str]
    """The hashes of the kinds of inputs, by name."""

    base: Callable[[str], Path | None] | None = None
    """Returns a file of the source that our series was made for, if it goes on another source."""

    def config_inputs(self) -> str:
        """Return a hash of all inputs of the configuration."""
        named = [(name, self.meta[name].encode()) for name in ("source", "config", "tools")]
        named += [("required", fragment.name.encode()) for fragment in self.fragments]
        return _digest([*named, *self.series.kconfig_content()])


def plan_build(
    request: BuildRequest, workspace: Workspace, *, progress: Callable[[str], None]
) -> BuildPlan:
    """Read all inputs as they are now. Raises UserError."""
    if request.choice is not None:
        return _plan_choice(request.choice, request.flavour, request.step, workspace)
    series = load_series(request.line, patches=workspace.patches)
    is_part = request.step is not None and request.step < len(series.commits) - 1
    if not request.has_witness:
        is_part = True  # the fragments ask for the witness
        series = without_debug_info(series.plain_step(request.step))
    elif request.step is not None:
        series = series.step(request.step)
    source = find_source(
        request.line,
        cache=workspace.cache,
        where=workspace.sources,
        patches=workspace.patches,
        progress=progress,
    )
    more = (f"{request.flavour}.config",) if request.flavour else ()
    fragments = series.fragments((*_FRAGMENTS, *more))
    required, optional = ((), fragments) if is_part else (fragments, ())
    return _plan(request.line, source, series, required, optional, cache=workspace.cache)


def _plan_choice(
    choice: KernelChoice, flavour: str, step: int | None, workspace: Workspace
) -> BuildPlan:
    parts = parts_of(
        choice,
        flavour=flavour,
        patches=workspace.patches,
        cache=workspace.cache,
        sources=workspace.sources,
    )
    if step is not None:
        parts = parts.step(step)
    plan = _plan(
        choice.name,
        parts.source,
        parts.series,
        parts.fragments,
        parts.optional,
        cache=workspace.cache,
    )
    if choice.tree is None:
        return plan
    return replace(plan, base=partial(_file_of_line, parts.choice.line, workspace))


def _file_of_line(line: str, workspace: Workspace, name: str) -> Path | None:
    """Return a file of the line's own source; None if it has none. Raises UserError.

    All files that our series changes are unpacked at once, because that takes as long as one.
    """
    source = find_source(
        line, cache=workspace.cache, where=workspace.sources, patches=workspace.patches
    )
    changed = load_series(line, patches=workspace.patches).changed_files()
    path = partial_tree(source, changed, cache=workspace.cache) / name
    return path if path.is_file() else None


def _plan(
    name: str,
    source: Source | Checkout,
    series: Series,
    fragments: tuple[Path, ...],
    optional: tuple[Path, ...],
    *,
    cache: Path,
) -> BuildPlan:
    """Hash the inputs. Any change here gives every kernel another key."""
    config = [(fragment.name, fragment.read_bytes()) for fragment in (*optional, *fragments)]
    config += kcov_recipe((*optional, *fragments))
    config += [("lacks", option.encode()) for option in sorted(series.lacks)]
    tools = [(tool, version.encode()) for tool, version in toolchain()]
    recipe = [("recipe", text.encode()) for text in (*RECIPE, *TARGETS)]
    signing = signing_key(cache)
    meta = {
        "source": source.digest,
        "series": series_digest(series),
        "config": _digest(config),
        "tools": _digest([*tools, *recipe]),
        "signing": signing.digest,
    }
    key = _digest([(name, b""), *((kind, value.encode()) for kind, value in meta.items())])
    return BuildPlan(source, series, fragments, optional, signing, key, meta)


def without_debug_info(series: Series) -> Series:
    """Return the series for a kernel without debugging information, which is built sooner."""
    return replace(series, lacks={**series.lacks, **dict.fromkeys(DEBUG_INFO, "not wanted")})


def series_digest(series: Series) -> str:
    """Return the hash of all that a series does to a tree, as images and runs name it."""
    return _digest(series.content())


def _digest(parts: Iterable[tuple[str, bytes]]) -> str:
    """Hash named parts so that no shift between neighbours gives the same hash."""
    total = hashlib.sha256()
    for name, content in parts:
        for piece in (name.encode(), content):
            total.update(len(piece).to_bytes(8, "little") + piece)
    return total.hexdigest()
