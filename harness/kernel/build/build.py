# SPDX-License-Identifier: GPL-2.0-only
"""From a kernel line to its image: found in the cache, or built in the line's kept tree."""

from __future__ import annotations

import hashlib
import re
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from harness.host.errors import UserError
from harness.host.paths import KERNEL_PATCHES, cache_dir
from harness.kernel.build.artifacts import collect
from harness.kernel.build.config import configure, known_options, requested_options
from harness.kernel.build.images import KernelImage, find_image, publish
from harness.kernel.build.make import RECIPE, Step, make
from harness.kernel.build.prebuilt import prebuilt_image
from harness.kernel.build.signing import SigningKey, signing_key
from harness.kernel.build.toolchain import toolchain
from harness.kernel.choice.choice import parts_of
from harness.kernel.series.series import Series, load_series
from harness.kernel.source.source import SOURCE_DIR, Source, find_source, read_json, write_json
from harness.kernel.source.tree import BuildTree, prepare, start_from_own

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from harness.kernel.choice.choice import KernelChoice
    from harness.kernel.source.checkout import Checkout

_FRAGMENTS = ("base.config", "witness.config")
_TARGETS = ("bzImage", "modules")
_GIB = 1 << 30
FRESH_SPACE = 6 * _GIB
"""Bytes a build from nothing needs: 1.5 GiB of source, 3 GiB of objects with DWARF, slack."""
_COPY_SPACE = 3 * _GIB  # a copy of the objects, and what is built in it
_KEPT_SPACE = 1 * _GIB
_LOCK_DEADLINE = 2 * 3600.0  # seconds; a build takes under 15 minutes on two cores
_PROGRESS_EVERY = 0.1  # seconds
_FIRST_GUESS = 1330  # objects of 6.12 with our fragments, until a build has counted them


@dataclass(frozen=True)
class _Job:
    """All that decides an image, and the key that names it.

    Of the `optional` fragments only what the tree knows is taken.
    """

    source: Source | Checkout
    series: Series
    fragments: tuple[Path, ...]
    signing: SigningKey
    key: str
    meta: dict[str, str]
    optional: tuple[Path, ...] = ()

    def config_inputs(self) -> str:
        """Return a hash of all that the configuration is made from."""
        named = [(name, self.meta[name].encode()) for name in ("source", "config", "tools")]
        return _digest([*named, *self.series.kconfig_content()])


def kernel_image(
    line: str = "6.12",
    *,
    flavour: str = "",
    step: int | None = None,
    progress: Callable[[str], None],
    patches: Path = KERNEL_PATCHES,
    cache: Path | None = None,
    sources: Path = SOURCE_DIR,
    free_space: int | None = None,
    choice: KernelChoice | None = None,
) -> KernelImage:
    """Return the image of `line` as it is patched and configured now; build it if need be.

    With a `choice` of the user's it is that kernel, and `line` what it is called.

    A `flavour` is configured by one fragment more, config/<flavour>.config, and its first
    build starts from a copy of the line's own objects. A `step` is that many commits of the
    series with the witness on top (Series.step), and the options that these bring.
    `progress` gets one short line at a time. `free_space` (bytes) overrides what must be free
    on the cache's disk. Raises UserError for all that the user can mend, DoesNotBuild where the
    sources are to blame.
    """
    cache = cache_dir() if cache is None else cache
    cache.mkdir(parents=True, exist_ok=True)
    if choice is not None and choice.bzimage is not None:
        return prebuilt_image(choice, cache=cache, progress=progress)

    def plan() -> _Job:
        if choice is None:
            return _plan(
                line,
                flavour,
                step,
                patches=patches,
                cache=cache,
                sources=sources,
                progress=progress,
            )
        return _plan_choice(choice, flavour, patches=patches, cache=cache, sources=sources)

    job = plan()
    image = find_image(line, job.key, cache=cache)
    if image is not None:
        return image
    tree = BuildTree(cache / "build" / (choice.folder if choice else line), flavour)
    with _locked(tree, progress=progress):
        # Again: the wait may have been long, and the other build may have made this image.
        job = plan()
        image = find_image(line, job.key, cache=cache)
        if image is not None:
            return image
        if (cache / "images" / job.key).is_dir():
            progress(f"kernel: the image {job.key[:12]} is damaged, so it is built again")
        _check_place(tree.root, _needed(tree, job) if free_space is None else free_space)
        return _build(job, tree, cache=cache, progress=progress)


def _needed(tree: BuildTree, job: _Job) -> int:
    """Return the bytes that must be free for this build."""
    is_other = isinstance(job.source, Source) and tree.digest() != job.source.digest
    if is_other or not tree.note.is_file():
        return FRESH_SPACE
    if tree.objects.is_dir():
        return _KEPT_SPACE
    return _COPY_SPACE if BuildTree(tree.root).objects.is_dir() else FRESH_SPACE


def image_key(line: str = "6.12", *, flavour: str = "", step: int | None = None) -> str:
    """Return the key of the image that `kernel_image` would return. Raises UserError."""
    cache = cache_dir()
    return _plan(line, flavour, step, patches=KERNEL_PATCHES, cache=cache, sources=SOURCE_DIR).key


def _plan(
    line: str,
    flavour: str,
    step: int | None,
    *,
    patches: Path,
    cache: Path,
    sources: Path,
    progress: Callable[[str], None] = lambda _: None,
) -> _Job:
    series = load_series(line, patches=patches)
    is_step = step is not None and step < len(series.commits) - 1
    if step is not None:
        series = series.step(step)
    source = find_source(line, cache=cache, where=sources, patches=patches, progress=progress)
    names = (*_FRAGMENTS, f"{flavour}.config") if flavour else _FRAGMENTS
    fragments = series.fragments(names)
    if is_step:
        return _job(line, source, series, (), cache=cache, optional=fragments)
    return _job(line, source, series, fragments, cache=cache)


def _plan_choice(
    choice: KernelChoice, flavour: str, *, patches: Path, cache: Path, sources: Path
) -> _Job:
    parts = parts_of(choice, flavour=flavour, patches=patches, cache=cache, sources=sources)
    return _job(
        choice.name,
        parts.source,
        parts.series,
        parts.fragments,
        cache=cache,
        optional=parts.optional,
    )


def _job(
    line: str,
    source: Source | Checkout,
    series: Series,
    fragments: tuple[Path, ...],
    *,
    cache: Path,
    optional: tuple[Path, ...] = (),
) -> _Job:
    config = [(fragment.name, fragment.read_bytes()) for fragment in (*optional, *fragments)]
    config += [("lacks", name.encode()) for name in sorted(series.lacks)]
    tools = [(name, version.encode()) for name, version in toolchain()]
    signing = signing_key(cache)
    recipe = [("recipe", text.encode()) for text in (*RECIPE, *_TARGETS)]
    meta = {
        "source": source.digest,
        "series": series_digest(series),
        "config": _digest(config),
        "tools": _digest([*tools, *recipe]),
        "signing": signing.digest,
    }
    key = _digest([(line, b""), *((name, value.encode()) for name, value in meta.items())])
    return _Job(source, series, fragments, signing, key, meta, optional)


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


@contextmanager
def _locked(tree: BuildTree, *, progress: Callable[[str], None]) -> Iterator[None]:
    """Hold the line's build tree; while another process has it, say so."""
    tree.root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{tree.root}.lock")
    start = time.monotonic()
    while True:
        try:
            lock.acquire(timeout=1.0)
            break
        except Timeout as error:
            waited = time.monotonic() - start
            if waited > _LOCK_DEADLINE:
                raise UserError(
                    f"another process has held {lock.lock_file} for {waited / 60:.0f} minutes",
                    hint="end that process, then try again",
                ) from error
            progress(f"kernel: another process builds this line; waited {waited:.0f} s")
    try:
        yield
    finally:
        lock.release()


def _check_place(root: Path, needed: int) -> None:
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


def _build(
    job: _Job, tree: BuildTree, *, cache: Path, progress: Callable[[str], None]
) -> KernelImage:
    tree.log.write_text("")
    prepare(tree, source=job.source, series=job.series, progress=progress)
    start_from_own(tree, progress=progress)
    job.signing.trust(tree.objects)
    progress("configuration: tinyconfig and fragments")
    known = known_options(tree, job.optional, lacks=job.series.lacks)
    if left_out := requested_options(job.optional).keys() - requested_options(known).keys():
        progress(f"configuration: this source has no {', '.join(sorted(left_out))}")
    configure(
        tree,
        (*known, *job.fragments),
        lacks=() if job.optional else job.series.lacks,
        inputs=job.config_inputs(),
    )
    if series_digest(job.series) != job.meta["series"]:
        raise UserError(
            "the overlay or a patch changed while it was applied",
            hint="run the same command again",
        )
    counter = _Counter(tree, progress)
    make(tree, _TARGETS, follow=counter.follow)
    counter.finish()
    progress("kernel: collecting the image")
    return publish(
        job.series.line,
        job.key,
        cache=cache,
        meta=job.meta,
        # Those of a line's steps do not crowd out the line's own.
        flavour=f"{tree.flavour} step".strip() if job.optional else tree.flavour,
        fill=lambda folder: collect(tree, folder, handlers=job.series.handlers),
    )


class _Counter:
    """Counts objects as make compiles them; a build from nothing says how many to expect."""

    def __init__(self, tree: BuildTree, progress: Callable[[str], None]) -> None:
        self._note = tree.root.with_name(f"{tree.root.name}-objects.json")
        self._progress = progress
        self._fresh = not (tree.objects / "vmlinux.o").is_file()
        expected = read_json(self._note)
        self._expected = expected if isinstance(expected, int) else _FIRST_GUESS
        self._done = 0
        self._last = 0.0

    def follow(self, step: Step) -> None:
        """Take one of make's lines; tell the caller a few times a second."""
        self._done += step.compiles
        now = time.monotonic()
        if not step.compiles or now - self._last >= _PROGRESS_EVERY:
            self._last = now
            total = f"/{max(self._expected, self._done)}" if self._fresh else ""
            self._progress(f"kernel: {self._done}{total} objects, {step.kind} {step.target}")

    def finish(self) -> None:
        """Remember the count of a whole build for the next one.

        A build that goes on after a Ctrl-C counts fewer, so the highest count stays.
        """
        remembered = read_json(self._note)
        if not isinstance(remembered, int) or self._done > remembered:
            write_json(self._note, self._done)
