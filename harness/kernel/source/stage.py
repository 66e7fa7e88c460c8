# SPDX-License-Identifier: GPL-2.0-only
"""The stage: the files that a series changes, as its commits leave them, beside the source."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.host.commands import output_of
from harness.host.errors import DoesNotBuild, UserError
from harness.host.files import copy_new
from harness.kernel.series.commits import OURS
from harness.kernel.series.rejects import why_rejected
from harness.kernel.source.beside import SKIP_DOCS, Beside
from harness.kernel.source.git_apply import apply_to, patched_files
from harness.kernel.source.lists import is_documentation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from harness.kernel.series.commits import Commit, Series


@dataclass
class Stage:
    """The files in `path` that the commits so far changed, and the names that they removed.

    `original` returns a file of the source, `base` a file of the source that our series was made
    for. `told` says what was merged.
    """

    path: Path
    series: Series
    original: Callable[[str], Path | None]
    base: Callable[[str], Path | None]
    removed: set[str] = field(default_factory=set)
    told: list[str] = field(default_factory=list)

    def add(self, commit: Commit) -> None:
        """Apply a commit. Raises UserError."""
        for name in commit.overlay:
            if self.original(name) is not None:
                raise UserError(
                    f"the overlay file {name} exists in the kernel source already",
                    hint="change it by a patch; the overlay holds whole new files",
                )
            copy_new(self.series.overlay_file(name), self.path / name)
        for name, text in commit.appended:
            self._fetch(name)
            with (self.path / name).open("a") as file:
                file.write(text)
        if commit.patch is not None:
            self._patch(commit, commit.patch)

    def _fetch(self, name: str) -> None:
        original = self.original(name)
        if original is not None and name not in self.removed and not (self.path / name).exists():
            copy_new(original, self.path / name)

    def _patch(self, commit: Commit, patch: Path) -> None:
        patched = patched_files(patch, stage=self.path)
        if commit.below:
            patched = [name for name in patched if name.startswith(commit.below)]
        for name in patched:
            self._fetch(name)
        if commit.below:
            apply_to(patched, patch, stage=self.path)
        else:
            self._apply(commit, patch, patched)
        for name in patched:
            if (self.path / name).exists():
                self.removed.discard(name)
            elif self.original(name) is not None:
                self.removed.add(name)

    def _apply(self, commit: Commit, patch: Path, names: Sequence[str]) -> None:
        """Apply a whole patch. If it does not apply, and has a lineage, merge it."""
        argv = ["patch", "-p1", "--batch", "--forward", "--fuzz=0", "--no-backup-if-mismatch"]
        rejects = self.path.with_name("rejects")
        rejects.unlink(missing_ok=True)
        argv += [f"--reject-file={rejects}", "--input", str(patch)]
        before = {name: _read(self.path / name) for name in names}
        status, output = output_of(argv, cwd=self.path)
        if status == 0:
            return
        rejected = rejects.read_text(errors="replace") if rejects.is_file() else ""

        def plain_error(only: str) -> DoesNotBuild:
            why = why_rejected(output, rejected, where=self.path, only=only)
            return self._error(commit, patch, why, only)

        if not commit.lineage:
            raise plain_error("")
        for name, content in before.items():
            _restore(self.path / name, content)
        self.told += Beside(
            commit, patch, self.series, self._base_of, self.path, plain_error
        ).apply(names)

    def _base_of(self, lineage: str, name: str) -> Path | None:
        if lineage != OURS:
            return self.original(name)
        try:
            return self.base(name)
        except UserError as error:
            raise UserError(
                f"our series changes the same lines as {self.series.line}, and cannot be merged: "
                f"{error.message}",
                hint=error.hint,
            ) from error

    def _error(self, commit: Commit, patch: Path, why: str, only: str) -> DoesNotBuild:
        called = commit.origin
        hint = (
            "rebase it, or take another tree"
            if called
            else f"make {patch} again against that source"
        )
        if only and is_documentation(only):
            hint = f"rebase it, or leave the hunk out with {SKIP_DOCS}"
        return DoesNotBuild(
            f"{called or patch.name} does not apply to the source of {self.series.line}: {why}",
            hint=hint,
        )


def _read(path: Path) -> tuple[bytes, int] | None:
    """Return a file's content and mode; None if it is not there."""
    return (path.read_bytes(), path.stat().st_mode) if path.is_file() else None


def _restore(path: Path, before: tuple[bytes, int] | None) -> None:
    path.unlink(missing_ok=True)
    if before is not None:
        content, mode = before
        path.write_bytes(content)
        path.chmod(mode & 0o777)
