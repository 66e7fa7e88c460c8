# SPDX-License-Identifier: GPL-2.0-only
"""The build tree of a proof: kept for the next run, and held while the proof uses it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.cache.locks import locked
from harness.cache.places import BUILD
from harness.kernel.source.build_tree import BuildTree
from harness.kernel.source.tarball import find_source
from harness.kernel.source.tree import prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.kernel.build.plan import Workspace
    from harness.kernel.series.commits import Series

_LOCK_SECONDS = 4 * 3600.0  # another process that builds all steps takes an hour or more


@contextmanager
def proof_tree(
    series: Series, name: str, workspace: Workspace, *, progress: Callable[[str], None]
) -> Iterator[BuildTree]:
    """Hold the build tree `name`, with the source of the series' line and the series, and no log.

    Raises UserError.
    """
    cache, patches = workspace.cache, workspace.patches
    tree = BuildTree(BUILD.path(cache) / name)
    tree.root.mkdir(parents=True, exist_ok=True)
    with locked(tree.lock, seconds=_LOCK_SECONDS):
        tree.log.write_text("")
        source = find_source(series.line, cache=cache, where=workspace.sources, patches=patches)
        prepare(tree, source=source, series=series, progress=progress)
        yield tree
