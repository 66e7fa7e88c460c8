# SPDX-License-Identifier: GPL-2.0-only
"""A patch that does not apply because of another series, or another tree: merged file by file.

The patch applies to the files that it was made for: those of its own base and of the earlier
commits of its own series. So each file has the three versions of a three-way merge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from harness.host.errors import DoesNotBuild
from harness.host.files import copy_new
from harness.kernel.series.commits import OURS, THEIRS
from harness.kernel.source.git_apply import apply_what_fits, why_not_applied
from harness.kernel.source.lists import Conflict, is_documentation
from harness.kernel.source.merge import Merged, merge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.kernel.series.commits import Commit, Series

SKIP_DOCS = "--skip-docs"
"""The option that leaves out hunks for documentation."""

_REBASE = "rebase your change on our series, which `umd-harness export` writes"

BaseOf = Callable[[str, str], Path | None]
"""Returns the file with a name as the base of a lineage has it; None if the base has none."""


@dataclass(frozen=True)
class Beside:
    """A commit that goes in beside the commits of another lineage.

    `files` is the folder in which the patch is to be applied. `plain_error` returns the error for
    a file whose changes are not merged.
    """

    commit: Commit
    patch: Path
    series: Series
    base_of: BaseOf
    files: Path
    plain_error: Callable[[str], DoesNotBuild]

    def apply(self, names: Sequence[str]) -> list[str]:
        """Apply the patch's changes of these files; return what was merged or left out.

        Raises DoesNotBuild for changes that cannot be merged.
        """
        told: list[str] = []
        for name in names:
            if why_not_applied([name], self.patch, stage=self.files):
                told += self._merge(name)
        return told

    def _merge(self, name: str) -> list[str]:
        path = self.files / name
        here = path.read_bytes() if path.is_file() else None
        base, there = self._own_versions(name)
        merged = None
        if here is not None and base is not None and there is not None and there != base:
            merged = merge(name, here, base, there)
        if isinstance(merged, Merged):
            path.write_bytes(merged.text)
            return self._told(name, merged)
        if self.series.skip_docs and is_documentation(name):
            return self._skip(name)
        if merged is None or base is None or there is None:
            raise self.plain_error(name)
        raise self._conflict(name, merged, base, there)

    def _own_versions(self, name: str) -> tuple[bytes | None, bytes | None]:
        """Return a file as the patch's own series has it before and after the patch."""
        earlier = self._commits(self.commit.lineage)
        own = self.commit.lineage
        return self._version(name, earlier, own), self._version(name, [*earlier, self.commit], own)

    def _commits(self, lineage: str, *, of: str = "") -> list[Commit]:
        """Return the earlier commits of a lineage, or only those that change the file `of`."""
        earlier = self.series.commits[: self.series.commits.index(self.commit)]
        found = [commit for commit in earlier if commit.lineage == lineage]
        return [commit for commit in found if not of or of in commit.files()]

    def _version(self, name: str, commits: Sequence[Commit], lineage: str) -> bytes | None:
        """Return a file as these commits leave it; None if it is not there or a patch fails."""
        with TemporaryDirectory() as scratch:
            path = Path(scratch) / name
            start = self.base_of(lineage, name)
            if start is not None:
                copy_new(start, path)
            for commit in commits:
                if name in commit.overlay:
                    copy_new(self.series.overlay_file(name), path)
                if name not in commit.changed_files() or commit.patch is None:
                    continue
                if why_not_applied([name], commit.patch, stage=Path(scratch)):
                    return None
            return path.read_bytes() if path.is_file() else None

    def _partner(self, name: str, fails: Callable[[bytes], bool]) -> str:
        """Name the other lineage's commit from which on this `fails` with its version."""
        lineage = THEIRS if self.commit.lineage == OURS else OURS
        others = self._commits(lineage, of=name)
        for count in range(len(others) + 1):
            version = self._version(name, others[:count], lineage)
            if version is not None and fails(version):
                return others[count - 1].origin if count else f"the source of {self.series.line}"
        return others[-1].origin if others else f"the source of {self.series.line}"

    def _rejects(self, name: str) -> Callable[[bytes], bool]:
        def fails(version: bytes) -> bool:
            with TemporaryDirectory() as scratch:
                path = Path(scratch) / name
                path.parent.mkdir(parents=True)
                path.write_bytes(version)
                return bool(why_not_applied([name], self.patch, stage=Path(scratch)))

        return fails

    def _told(self, name: str, merged: Merged) -> list[str]:
        partner = self._partner(name, self._rejects(name))
        where = ", ".join(str(line) for line in merged.lists)
        how = f"add to a list (line {where})" if where else "change lines close to each other"
        told = [f"{name} is merged: {self.commit.origin} and {partner} {how}"]
        if merged.twice:
            told.append(f"{name} now has {' and '.join(merged.twice)} as the same number")
        return told

    def _skip(self, name: str) -> list[str]:
        rejected = apply_what_fits(name, self.patch, stage=self.files)
        return [
            f"hunk {hunk.number} of {name} is left out: {self.commit.origin}"
            if hunk.number
            else f"the changes of {name} are left out: {self.commit.origin}"
            for hunk in rejected
        ]

    def _conflict(self, name: str, found: Conflict, base: bytes, there: bytes) -> DoesNotBuild:
        def fails(version: bytes) -> bool:
            return isinstance(merge(name, version, base, there), Conflict)

        partner = self._partner(name, fails)
        rejected = apply_what_fits(name, self.patch, stage=self.files)
        changed = {line.strip() for line in (*found.there, *found.base) if line.strip()}
        number = next(
            (
                hunk.number
                for hunk in rejected
                if any(line[1:].strip() in changed for line in hunk.text.splitlines()[1:])
            ),
            rejected[0].number if rejected else 0,
        )
        return DoesNotBuild(
            f"{self.commit.origin} conflicts with {partner}: hunk {number} of {name} has "
            f"{_shown(found.there, found.base)} where the other has "
            f"{_shown(found.here, found.base)}",
            hint=f"leave the hunk out with {SKIP_DOCS}" if is_documentation(name) else _REBASE,
        )


def _shown(lines: Sequence[str], base: Sequence[str]) -> str:
    """Return the first line that differs from the base, to show it in an error."""
    new = [line.strip() for line in lines if line not in base and line.strip()]
    return f"`{new[0]}`" if new else "nothing"
