# SPDX-License-Identifier: GPL-2.0-only
"""The parts of a kernel of the user's choice: source, series, patches and fragments.

The build takes the tree, or the line's source. It applies the user's patches, or the line's
series, or both. The witness comes last. The witness needs only the published interface of the
management library.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.host.errors import UserError
from harness.host.paths import KERNEL_PATCHES
from harness.kernel.series.commits import (
    OURS,
    THEIRS,
    WITNESS,
    WITNESS_PROGRAMS,
    Commit,
    Series,
)
from harness.kernel.series.lines import nearest_line
from harness.kernel.series.patch_files import PatchFile, read_patches
from harness.kernel.series.series_file import load_series
from harness.kernel.source.checkout import Checkout, read_checkout, version
from harness.kernel.source.tarball import SOURCE_DIR, Source, find_source
from harness.kernel.source.tree import FRAMEWORK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from harness.kernel.choice.kernel_choice import KernelChoice

LIBRARY = "include/linux/usermode_driver_mgmt.h"
"""The header of the management library's published interface."""

OPTIONAL_FRAGMENTS = ("base.config", "witness.config")
"""Our fragments. Of a user's tree, options that it does not know are left out of them; all options
of a user's fragment must apply."""

_WITNESS_FILE = f"{WITNESS}core.c"
# At the ends of files that any tree has: a patch would fit one.
_HOOKS = (
    ("init/Kconfig", f'\nsource "{WITNESS}Kconfig"\n'),
    ("kernel/Makefile", "\nobj-$(CONFIG_UMD_WITNESS) += umd_witness/\n"),
)


@dataclass(frozen=True)
class Parts:
    """The parts of a kernel to build: source, commits, and fragments, some of them `optional`."""

    source: Source | Checkout
    series: Series
    optional: tuple[Path, ...]
    fragments: tuple[Path, ...]
    patches: tuple[PatchFile, ...]
    choice: KernelChoice

    def step(self, number: int) -> Parts:
        """Return the parts with the first `number` commits of the series, as `Series.step`.

        A part of the series does not know all options of the whole.
        """
        if number == len(self.series.commits) - 1:
            return self
        options = (*self.optional, *self.fragments)
        return replace(self, series=self.series.step(number), optional=options, fragments=())

    def facts(self) -> dict[str, Any]:
        """Return the entry of a run's header."""
        return {
            "line": self.choice.line,
            "tree": self.source.as_json() if isinstance(self.source, Checkout) else None,
            "with_library": self.choice.with_library,
            "skip_docs": self.choice.skip_docs,
            "patches": [patch.as_json() for patch in self.patches],
            "config": [
                {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
                for path in self.fragments
            ],
        }


def parts_of(
    choice: KernelChoice,
    *,
    flavour: str = "",
    patches: Path = KERNEL_PATCHES,
    cache: Path,
    sources: Path = SOURCE_DIR,
) -> Parts:
    """Read the files of the choice, and check that they make a kernel with a witness.

    Raises UserError.
    """
    choice, ours, theirs, top = _base(choice, patches=patches, cache=cache)
    source: Source | Checkout
    if top is None:
        source = find_source(choice.line, cache=cache, where=sources, patches=patches)
    else:
        source = choice.checkout or read_checkout(top, line=choice.name, cache=cache)
    series = _series(choice, ours, theirs, top=top)
    given = tuple(path.resolve() for path in choice.fragments)
    is_foreign = bool(choice.tree or choice.patches)
    names = (*OPTIONAL_FRAGMENTS, *([f"{flavour}.config"] if flavour else []))
    own = ours.fragments(names)
    return Parts(
        source=source,
        series=series,
        optional=own if is_foreign else (),
        fragments=given if is_foreign else (*own, *given),
        patches=theirs,
        choice=choice,
    )


def series_of(choice: KernelChoice, *, patches: Path = KERNEL_PATCHES, cache: Path) -> Series:
    """Return the commits of the choice in their order, without reading its source.

    Raises UserError.
    """
    choice, ours, theirs, top = _base(choice, patches=patches, cache=cache)
    return _series(choice, ours, theirs, top=top)


def _base(
    choice: KernelChoice, *, patches: Path, cache: Path
) -> tuple[KernelChoice, Series, tuple[PatchFile, ...], Path | None]:
    """Return the checked choice with its line, our series, the user's patches and the tree."""
    choice.check()
    choice = replace(choice, line=_line_for(choice, patches=patches))
    theirs = read_patches(choice.patches, cache=cache) if choice.patches else ()
    ours = load_series(choice.line, patches=patches)
    top = choice.tree.resolve() if choice.tree else None
    _check_base(choice, top, theirs, ours)
    return choice, ours, theirs, top


def _line_for(choice: KernelChoice, *, patches: Path) -> str:
    """Return the line nearest to the tree's version; without a tree, the named line."""
    if choice.tree is None:
        return choice.line
    return nearest_line(version(choice.tree.resolve()), patches=patches) or choice.line


def _series(
    choice: KernelChoice, ours: Series, theirs: tuple[PatchFile, ...], *, top: Path | None
) -> Series:
    """Return the commits: the library if it is asked for, the user's patches, the witness."""
    if not (choice.tree or choice.patches):
        return ours
    ours = replace(ours, commits=tuple(_called(commit, ours.line) for commit in ours.commits))
    ours = replace(ours, skip_docs=choice.skip_docs)
    if choice.with_library and not theirs:
        return replace(ours, line=choice.name)
    commits = [
        Commit(patch.subject, "", (), patch.path, origin=patch.title, lineage=THEIRS)
        for patch in theirs
    ]
    if choice.with_library:
        commits = [*ours.without_witness().commits, *commits]
    if not _has(_WITNESS_FILE, theirs, top):
        commits.append(witness_commit(ours))
    return replace(ours, line=choice.name, commits=tuple(commits), handlers=WITNESS_PROGRAMS)


def _called(commit: Commit, line: str) -> Commit:
    """Return the commit with an origin that names our series, for errors about the patch."""
    named = commit.patch.name if commit.patch else commit.subject
    return replace(commit, origin=f"{named} of our series for {line}", lineage=OURS)


def witness_commit(ours: Series) -> Commit:
    """Return the commit that adds the witness of a line's series to any tree with a library.

    Its patch keeps only the changes of the witness's own files for kernels of that line.
    """
    own = replace(ours.commits[-1], below=WITNESS, appended=())
    return replace(own, patch=own.patch if own.changed_files() else None, appended=_HOOKS)


def _has(name: str, patches: tuple[PatchFile, ...], top: Path | None) -> bool:
    """Whether the tree has a file, or a patch brings it."""
    return (top is not None and (top / name).exists()) or any(one.changes(name) for one in patches)


def _check_base(
    choice: KernelChoice, top: Path | None, theirs: tuple[PatchFile, ...], ours: Series
) -> None:
    """Raise UserError unless the kernel will have the framework, and exactly one library."""
    if not (choice.tree or choice.patches):
        return
    called = f"{choice.tree} (Linux {version(top)})" if top else f"the source of {choice.line}"
    if top and not _has(FRAMEWORK, theirs, top) and not _brings(ours, FRAMEWORK, choice):
        raise UserError(
            f"{called} has no user mode driver framework ({FRAMEWORK})",
            hint="mainline has it from 5.9 to 6.16: take such a tree, or add it by --patches",
        )
    if choice.with_library and _has(LIBRARY, (), top):
        raise UserError(
            f"{called} has a management library already ({LIBRARY})",
            hint="leave out --with-library",
        )
    if not (choice.with_library or _has(LIBRARY, theirs, top)):
        raise UserError(
            f"{called} has no management library for user mode drivers ({LIBRARY})"
            + (f", and {choice.patches} adds none" if theirs else ""),
            hint=f"add ours with --with-library (of {ours.line}: {_library_patches(ours)}), "
            "or yours with --patches",
        )


def _brings(ours: Series, name: str, choice: KernelChoice) -> bool:
    return choice.with_library and any(name in commit.overlay for commit in ours.commits)


def _library_patches(ours: Series) -> str:
    """Return the names of the patches up to the patch that adds the library."""
    named = []
    for commit in ours.commits:
        named.append(commit.patch.name if commit.patch else f"“{commit.subject}”")
        if LIBRARY in commit.overlay:
            break
    return " and ".join(named)


def describe_parts(facts: Mapping[str, Any]) -> str:
    """Describe in one line what was built, from the facts in a run's header."""
    tree, patches, config = facts["tree"], facts["patches"], facts["config"]
    said = f"{tree['path']} at {tree['describe']}" if tree else f"the source of {facts['line']}"
    if facts["with_library"]:
        said += f", our series for {facts['line']}"
    if patches:
        said += f", {len(patches)} patch{'es' if len(patches) > 1 else ''}{_sent(patches)}"
    if config:
        said += f", {', '.join(one['name'] for one in config)}"
    return said + ", the witness"


def _sent(patches: Sequence[Mapping[str, str]]) -> str:
    """Return when the patches were sent as mails, if they were."""
    days = sorted({one["sent"] for one in patches if one.get("sent")})
    return f" of {' to '.join(dict.fromkeys((days[0], days[-1])))}" if days else ""
