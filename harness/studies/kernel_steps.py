# SPDX-License-Identifier: GPL-2.0-only
"""The steps of a kernel's series: of a kernel line's, or of the user's own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from harness.engines import ENGINES
from harness.host.errors import UserError
from harness.host.paths import KERNEL_PATCHES, cache_dir
from harness.kernel.choice.parts import LIBRARY, series_of
from harness.kernel.series.commits import THEIRS, WITNESS
from harness.kernel.series.series_file import load_series
from harness.model.engine_names import DEFAULT_ENGINE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from harness.kernel.choice.kernel_choice import KernelChoice
    from harness.kernel.series.commits import Commit, Series
    from harness.run.cell_runner import CellRunner
    from harness.scenarios.corpus import Corpus

ISOLATION = "include/linux/umd_isolation.h"
"""A file of the first commit of our isolation."""


@dataclass(frozen=True)
class KernelSteps:
    """The steps of a kernel: its commits in their order, with the witness on top of each."""

    line: str
    """The kernel line, or the name of the `choice`."""
    corpus: Corpus
    choice: KernelChoice | None = None
    """The user's own kernel; None for the kernel of the line."""
    engine: str = DEFAULT_ENGINE
    patches: Path = KERNEL_PATCHES
    """The folder with our series."""

    def check(self) -> None:
        """Raise UserError unless there are steps, with the witness as the last commit."""
        if self.choice and self.choice.bzimage:
            raise UserError(
                "--kernel is a kernel that is already built: it has no steps",
                hint="name a series with --patches, and its tree with --tree",
            )
        if not any(name.startswith(WITNESS) for name in self._series.commits[-1].overlay):
            raise UserError(
                f"{self.line} has the witness already, which comes on top of each step",
                hint=f"leave the patch out that adds {WITNESS}",
            )
        if self.last <= self.first:
            raise UserError(
                f"{self.line} has no series of several steps",
                hint="name it with --patches, or take ours with --with-library; `git bisect run` "
                "searches the commits of a tree",
            )

    @cached_property
    def _series(self) -> Series:
        if self.choice:
            return series_of(self.choice, patches=self.patches, cache=cache_dir())
        return load_series(self.line, patches=self.patches)

    @property
    def _commits(self) -> tuple[Commit, ...]:
        """The commits without the witness's."""
        return self._series.commits[:-1]

    @property
    def first(self) -> int:
        """The step that adds the library; 0 if the source has the library."""
        return self._find(lambda commit: LIBRARY in commit.files()) or 0

    @property
    def plain(self) -> int:
        """The last step before the user's own patches; without such, before any isolation."""
        changing = self._find(lambda commit: commit.lineage == THEIRS) or self._find(
            lambda commit: ISOLATION in commit.files()
        )
        return max((changing or self.first + 1) - 1, self.first)

    @property
    def last(self) -> int:
        """The number of commits besides the witness's."""
        return len(self._commits)

    def subject(self, number: int) -> str:
        """The subject of a commit, from 1; a patch without a subject is named by its file."""
        commit = self._commits[number - 1]
        return commit.subject or commit.origin

    def message(self, number: int) -> str:
        """The whole message of a commit, from 1. Of a patch, only its subject is known."""
        commit = self._commits[number - 1]
        return commit.message if commit.subject else commit.origin

    def key(self, number: int, variants: Sequence[str]) -> str:
        """Return a key for the images of all flavours that the variants use, and for the engine."""
        from harness.kernel.build.build import image_key

        flavours = sorted({"", *(self.corpus.variants[variant].flavour for variant in variants)})
        keys = (
            image_key(self.line, flavour=one, step=number, choice=self.choice) for one in flavours
        )
        engine = () if self.engine == DEFAULT_ENGINE else (self.engine,)
        return " ".join((*keys, *engine))

    def lab(
        self, number: int, variants: Sequence[str], progress: Callable[[str], None]
    ) -> CellRunner:
        """Find or build the step's images."""
        from harness.lab.lab import Lab

        return Lab.open(
            self.line,
            variants,
            step=number,
            progress=progress,
            choice=self.choice,
            engine=ENGINES[self.engine],
            corpus=self.corpus,
        )

    def _find(self, is_it: Callable[[Commit], bool]) -> int | None:
        """Return the number of the first such commit, from 1."""
        numbers = (n for n, commit in enumerate(self._commits, start=1) if is_it(commit))
        return next(numbers, None)
