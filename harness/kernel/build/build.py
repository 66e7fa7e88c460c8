# SPDX-License-Identifier: GPL-2.0-only
"""From a request to its kernel image: found in the cache, or built in a kept tree."""

from __future__ import annotations

import filecmp
import re
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.cache.locks import locked
from harness.cache.places import BUILD
from harness.host.errors import UserError
from harness.host.paths import cache_dir
from harness.kernel.build.artifacts import BZIMAGE, collect
from harness.kernel.build.config import configure, known_options, requested_options
from harness.kernel.build.counter import ObjectCounter
from harness.kernel.build.images import KernelImage, find_image, is_damaged, publish
from harness.kernel.build.kcov import kcov_variables
from harness.kernel.build.make import make
from harness.kernel.build.plan import (
    TARGETS,
    BuildPlan,
    BuildRequest,
    Workspace,
    plan_build,
    series_digest,
)
from harness.kernel.build.prebuilt import prebuilt_image
from harness.kernel.source.build_tree import BuildTree
from harness.kernel.source.tarball import Source
from harness.kernel.source.tree import prepare, start_from_own

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.kernel.choice.kernel_choice import KernelChoice

_GIB = 1 << 30
FRESH_SPACE = 6 * _GIB
"""Bytes that a build from nothing needs: 1.5 GiB of source, 3 GiB of objects with DWARF, slack."""
_COPY_SPACE = 3 * _GIB  # a copy of the objects, and what is built in it
_KEPT_SPACE = 1 * _GIB
_LOCK_SECONDS = 2 * 3600.0  # a build takes under 15 minutes on two cores


def kernel_image(
    request: BuildRequest,
    *,
    progress: Callable[[str], None],
    workspace: Workspace | None = None,
) -> KernelImage:
    """Return the image of the requested kernel, as its inputs are now; build it if need be.

    A flavour starts from a copy of the line's own objects, if they are newer. `progress` gets one
    short line at a time. Without a `workspace` it is the user's cache and what we ship. Raises
    UserError for all that the user can mend, DoesNotBuild where the sources are to blame.
    """
    if workspace is None:
        workspace = Workspace(cache_dir())
    cache = workspace.cache
    cache.mkdir(parents=True, exist_ok=True)
    if request.choice is not None and request.choice.bzimage is not None:
        return prebuilt_image(request.choice, cache=cache, progress=progress)
    plan = plan_build(request, workspace, progress=progress)
    if image := find_image(request.line, plan.key, cache=cache):
        return image
    with _held_tree(request, cache, progress) as tree:
        # Once more: the wait may have been long, and the other build may have made this image.
        plan = plan_build(request, workspace, progress=progress)
        if image := find_image(request.line, plan.key, cache=cache):
            return image
        if is_damaged(plan.key, cache=cache):
            progress(f"kernel: the image {plan.key[:12]} is damaged, so it is built again")
        _check_place(tree, plan, workspace.free_space)
        merged = _make_tree(plan, tree, cache=cache, progress=progress)
        return _publish(plan, tree, merged, cache=cache, progress=progress)


def kept_tree(
    request: BuildRequest,
    *,
    progress: Callable[[str], None],
    workspace: Workspace | None = None,
) -> BuildTree:
    """Return the build tree of the requested kernel, as it was when its image was made.

    A tree that holds another kernel by now, such as a step of the series, is brought back. Raises
    UserError.
    """
    with held_kept_tree(request, progress=progress, workspace=workspace) as tree:
        return tree


@contextmanager
def held_kept_tree(
    request: BuildRequest,
    *,
    progress: Callable[[str], None],
    workspace: Workspace | None = None,
) -> Iterator[BuildTree]:
    """Yield what `kept_tree` returns. No other process changes the tree meanwhile."""
    workspace = workspace or Workspace(cache_dir())
    image = kernel_image(request, progress=progress, workspace=workspace)
    plan = plan_build(request, workspace, progress=progress)
    with _held_tree(request, workspace.cache, progress) as tree:
        if not _holds(tree, image):
            progress("kernel: the build tree holds another kernel, so this one is made again")
            _check_place(tree, plan, workspace.free_space)
            _make_tree(plan, tree, cache=workspace.cache, progress=progress)
        if not _holds(tree, image):
            raise UserError(
                f"the build of {request.line} does not give its image again",
                hint=f"rm -r {image.directory}, then `umd-harness build`",
            )
        yield tree


@contextmanager
def _held_tree(
    request: BuildRequest, cache: Path, progress: Callable[[str], None]
) -> Iterator[BuildTree]:
    """Yield the kept tree of a request, which no other process changes meanwhile."""
    tree = BuildTree(BUILD.path(cache) / request.folder, request.flavour)
    tree.root.mkdir(parents=True, exist_ok=True)

    def waiting(seconds: float) -> None:
        progress(f"kernel: another process builds this line; waited {seconds:.0f} s")

    with locked(tree.lock, seconds=_LOCK_SECONDS, waiting=waiting):
        yield tree


def _holds(tree: BuildTree, image: KernelImage) -> bool:
    """Whether an image was made of what is in the tree now."""
    built = tree.objects / BZIMAGE
    return built.is_file() and filecmp.cmp(built, image.bzimage, shallow=False)


def image_key(
    line: str = "6.12",
    *,
    flavour: str = "",
    step: int | None = None,
    choice: KernelChoice | None = None,
) -> str:
    """Return the key of the image that `kernel_image` would build or find. Raises UserError."""
    request = BuildRequest(line, flavour=flavour, step=step, choice=choice)
    return plan_build(request, Workspace(cache_dir()), progress=lambda _: None).key


def _needed(tree: BuildTree, plan: BuildPlan) -> int:
    """Return the bytes that must be free for this build."""
    is_other = isinstance(plan.source, Source) and tree.digest() != plan.source.digest
    if is_other or not tree.note.is_file():
        return FRESH_SPACE
    if tree.objects.is_dir():
        return _KEPT_SPACE
    return _COPY_SPACE if BuildTree(tree.root).objects.is_dir() else FRESH_SPACE


def _check_place(tree: BuildTree, plan: BuildPlan, free_space: int | None) -> None:
    """Raise UserError if make cannot work in the tree's place, or the disk is too full."""
    root = tree.root
    needed = _needed(tree, plan) if free_space is None else free_space
    if re.search(r"[\s:]", str(root)):
        raise UserError(
            f"the kernel cannot be built in {root}: its Makefile takes no space or colon",
            hint="set XDG_CACHE_HOME to another folder",
        )
    free = shutil.disk_usage(root).free
    if free < needed:
        raise UserError(
            f"building the kernel needs {needed / _GIB:.1f} GiB free at {root}, "
            f"and there are {free / _GIB:.1f}",
            hint="free some (`umd-harness clean` empties the cache) or set XDG_CACHE_HOME",
        )


def _make_tree(
    plan: BuildPlan, tree: BuildTree, *, cache: Path, progress: Callable[[str], None]
) -> list[str]:
    """Bring source and objects to the plan. Return what was merged, a line for each."""
    tree.log.write_text("")
    merged = prepare(
        tree, source=plan.source, series=plan.series, progress=progress, base=plan.base
    )
    for line in merged:
        progress(f"source: {line}")
    from_copy = start_from_own(tree, BZIMAGE, progress=progress)
    if from_nothing := not (tree.objects / ".config").is_file():
        progress("kernel: no objects yet, so all is compiled")
    plan.signing.trust(tree.objects)
    if _configure(plan, tree, progress) and not from_nothing:
        progress("configuration: changed, so what depends on it is compiled again")
    if series_digest(plan.series) != plan.meta["series"]:
        raise UserError(
            "the overlay or a patch changed while it was applied",
            hint="run the same command again",
        )
    counter = ObjectCounter(
        cache / f"objects-{tree.root.name}.json",
        plan.meta["config"],
        from_nothing=from_nothing,
        from_copy=from_copy,
        progress=progress,
    )
    make(tree, (*TARGETS, *kcov_variables(tree, plan.series)), follow=counter.follow)
    counter.finish()
    return merged


def _publish(
    plan: BuildPlan,
    tree: BuildTree,
    merged: list[str],
    *,
    cache: Path,
    progress: Callable[[str], None],
) -> KernelImage:
    progress("kernel: collecting the image")
    return publish(
        plan.series.line,
        plan.key,
        cache=cache,
        meta=plan.meta | ({"merged": "\n".join(merged)} if merged else {}),
        # Images of a line's steps are counted apart, so that they do not displace the line's own.
        flavour=f"{tree.flavour} step".strip() if plan.optional else tree.flavour,
        fill=lambda folder: collect(tree, folder, handlers=plan.series.handlers),
    )


def _configure(plan: BuildPlan, tree: BuildTree, progress: Callable[[str], None]) -> bool:
    """Bring the configuration to the plan; return whether it changed."""
    progress("configuration: tinyconfig and fragments")
    known = known_options(tree, plan.optional, lacks=plan.series.lacks)
    if left_out := requested_options(plan.optional).keys() - requested_options(known).keys():
        progress(f"configuration: this source has no {', '.join(sorted(left_out))}")
    return configure(
        tree,
        (*known, *plan.fragments),
        lacks=() if plan.optional else plan.series.lacks,
        inputs=plan.config_inputs(),
    )
