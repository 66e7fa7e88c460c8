# SPDX-License-Identifier: GPL-2.0-only
"""A patch series: its commits, and the overlay files and the patch of each."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.model.handlers import BACKDOOR, HANDLERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

WITNESS = "kernel/umd_witness/"
WITNESS_PROGRAMS = tuple(
    WITNESS + name for name in (*(kind.program for kind in HANDLERS.values()), BACKDOOR)
)
"""The programs of the witness's handlers, as far as a kernel has them."""
"""The folder of the witness. Nothing outside of it may depend on it."""

OURS, THEIRS = "ours", "theirs"
"""The lineages of the commits of a kernel that has patches of the user's beside ours."""

_CODE = (".c", ".h", ".S", ".rst", ".txt", "/MAINTAINERS")
"""The ends of the names of files from which Kconfig reads nothing, outside of `scripts/`."""

_NAMED = re.compile(r"^(?:diff --git|---|\+\+\+|(?:rename|copy) (?:from|to)) (\S+)", re.MULTILINE)
_CHANGED = re.compile(r"^\+\+\+ [^/\s]+/(\S+)", re.MULTILINE)  # diff writes a time behind


class Part(StrEnum):
    """The parts of a series, in their order. Each goes on top of the parts before it."""

    CORE = "core"
    HARDENING = "hardening"
    FILTER = "filter"
    TESTS = "tests"


@dataclass(frozen=True)
class Commit:
    """One commit: new files, relative to the overlay, and at most one patch.

    The patch is applied after the files are added, and may change them. `witness_body` is the part
    of the message that is true only with the witness. `appended` has names of files and text to
    append to them, which fits any tree, whereas a patch fits one tree. If `below` is set, only
    the patch's changes to paths with this prefix apply. `origin` names a user's patch in errors.
    Commits of one `lineage` were made on top of each other. If a patch does not apply on top of
    another lineage, it is merged. A patch without a lineage is never merged. `part` is None in a
    series without parts.
    """

    subject: str
    body: str
    overlay: tuple[str, ...]
    patch: Path | None
    witness_body: str = ""
    appended: tuple[tuple[str, str], ...] = ()
    below: str = ""
    origin: str = ""
    lineage: str = ""
    part: Part | None = None

    def changed_files(self) -> list[str]:
        """Return the paths of the files that it appends to or that its patch touches."""
        patched = _CHANGED.findall(self.patch.read_text(errors="replace")) if self.patch else []
        kept = (name for name in patched if name.startswith(self.below))
        return [*(name for name, _ in self.appended), *kept]

    def files(self) -> tuple[str, ...]:
        """Return the paths of all files that it adds or changes."""
        return (*self.overlay, *self.changed_files())

    @property
    def message(self) -> str:
        """The whole commit message, without trailers."""
        parts = (self.subject, self.body.strip("\n"), self.witness_body.strip("\n"))
        return "\n\n".join(filter(None, parts)) + "\n"


@dataclass(frozen=True)
class Series:
    """A kernel line's commits, in order, and the handler programs that the tree builds.

    `own` is the overlay of this line alone. `config` is the line's configuration fragment, if
    any. `lacks` has the options of ours that the line does not have, and the reasons. With
    `skip_docs`, hunks for documentation that do not apply are left out.
    """

    line: str
    overlay: Path
    commits: tuple[Commit, ...]
    handlers: tuple[str, ...]
    own: Path | None = None
    config: Path | None = None
    lacks: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    skip_docs: bool = False

    def overlay_file(self, name: str) -> Path:
        """Return the overlay file for this path in the tree."""
        if self.own is not None and (self.own / name).is_file():
            return self.own / name
        return self.overlay / name

    def fragments(self, names: Iterable[str]) -> tuple[Path, ...]:
        """Return the shared configuration fragments, with the line's own after the first.

        Raises UserError if a fragment is missing.
        """
        first, *others = (self.overlay.parent / "config" / name for name in names)
        own = () if self.config is None else (self.config,)
        for fragment in (first, *others):
            if not fragment.is_file():
                raise UserError(f"{fragment} is missing", hint="restore it: git checkout")
        return (first, *own, *others)

    def content(self) -> list[tuple[str, bytes]]:
        """Return everything that the series changes in a tree, in order, as named byte strings.

        Commit messages are left out, because a new wording changes no image.
        """
        parts: list[tuple[str, bytes]] = []
        for commit in self.commits:
            parts += [(name, self.overlay_file(name).read_bytes()) for name in commit.overlay]
            parts += [(f"end of {name}", text.encode()) for name, text in commit.appended]
            if commit.patch is not None:
                parts.append((f"patch {commit.patch.name}", commit.patch.read_bytes()))
        parts += [("handler", name.encode()) for name in self.handlers]
        return [*parts, *([("skip documentation", b"")] if self.skip_docs else [])]

    def without_witness(self) -> Series:
        """Return the series without the witness: its commit, its handlers, and mentions of it."""
        *kept, witness = self.commits
        if not any(name.startswith(WITNESS) for name in witness.overlay):
            raise UserError(
                f"the last commit of {self.line}, “{witness.subject}”, is not the witness: "
                f"it adds nothing to {WITNESS}",
                hint="move the witness's commit to the end of series.toml",
            )
        commits = tuple(replace(commit, witness_body="") for commit in kept)
        handlers = tuple(name for name in self.handlers if not name.startswith(WITNESS))
        return replace(self, commits=commits, handlers=handlers)

    def up_to(self, part: Part) -> Series:
        """Return the commits up to the last of a part. Raises UserError if the part is empty."""
        numbers = [n for n, one in enumerate(self.commits, start=1) if one.part is part]
        if not numbers:
            raise UserError(
                f"the series of {self.line} has no part {part}",
                hint=f'give commits of its series.toml part = "{part}"',
            )
        return self._with(self.commits[: numbers[-1]])

    def before(self, part: Part) -> Series:
        """Return the commits before the first of a part."""
        numbers = [n for n, one in enumerate(self.commits) if one.part is part]
        return self._with(self.commits[: numbers[0]] if numbers else self.commits)

    def step(self, number: int) -> Series:
        """Return the first `number` commits with the witness on top.

        A handler is kept if one of the commits adds a file to its folder. Raises UserError for a
        number out of range.
        """
        last = len(self.commits) - 1
        if not 0 <= number <= last:
            raise UserError(
                f"the series of {self.line} has no step {number}",
                hint=f"it has 0 to {last}, each with the witness on top",
            )
        return self._with((*self.commits[:number], self.commits[-1]))

    def plain_step(self, number: int | None) -> Series:
        """Return the first `number` commits, or all, without the witness: 0 is the stock kernel."""
        return self._with(self.without_witness().commits[:number])

    def _with(self, commits: tuple[Commit, ...]) -> Series:
        """Return these commits alone, and the handlers to whose folders they add a file."""
        folders = {str(Path(name).parent) for commit in commits for name in commit.files()}
        handlers = tuple(name for name in self.handlers if str(Path(name).parent) in folders)
        return replace(self, commits=commits, handlers=handlers)

    def changed_files(self) -> list[str]:
        """Return the paths of the files that the commits change."""
        return sorted({name for commit in self.commits for name in commit.changed_files()})

    def kconfig_content(self) -> list[tuple[str, bytes]]:
        """Return the content that may change the configuration: Kconfig files and patches.

        A patch that changes only code or documentation is none of them.
        """
        return [
            (name, content)
            for name, content in self.content()
            if "/Kconfig" in name or (name.startswith("patch ") and _may_configure(content))
        ]


def _may_configure(patch: bytes) -> bool:
    named = set(_NAMED.findall(patch.decode(errors="replace"))) - {"/dev/null"}
    return not named or any("scripts/" in one or not one.endswith(_CODE) for one in named)
