# SPDX-License-Identifier: GPL-2.0-only
"""The progress of a kernel build: objects compiled, and their total where that is known.

make does not say how many objects it will compile. The total is the count of the last build of the
same configuration from the same start: from nothing, or from a copy of other objects. The first
build from nothing has an estimate. Any other build tells only what is done.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from harness.cache.notes import read_note, write_note
from harness.host.pace import duration

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.kernel.build.make import MadeTarget

_PROGRESS_EVERY = 0.1  # seconds
_ENOUGH = 0.05  # the part of all objects after which their pace tells the time that is left


class BuildSize(msgspec.Struct, frozen=True):
    """What a build took."""

    objects: int
    """The objects that make compiled."""

    seconds_after: float
    """The seconds from the last of these to the end: linking, BTF, compression."""


_TYPICAL = BuildSize(2000, 60.0)
"""What our configuration of 6.12 took, for a first build."""


class ObjectCounter:
    """Counts objects as make compiles them, and tells the caller a few times a second."""

    def __init__(
        self,
        note: Path,
        config: str,
        *,
        from_nothing: bool,
        progress: Callable[[str], None],
        from_copy: bool = False,
    ) -> None:
        """`note` holds the sizes of former builds, by their configuration's hash and their start.

        `from_copy` is for the first build of a flavour, which starts from the line's own objects.
        """
        self._note = note
        self._build = f"{config} from a copy" if from_copy else config
        self._is_counted = from_nothing or from_copy
        self._progress = progress
        known = self._sizes().get(self._build) if self._is_counted else None
        self._is_estimate = known is None
        self._size = _TYPICAL if known is None and from_nothing else known
        self._done = 0
        self._start = self._compiled = time.monotonic()
        self._told = 0.0

    def follow(self, target: MadeTarget) -> None:
        """Take a target that make makes."""
        now = time.monotonic()
        if target.is_object:
            self._done += 1
            self._compiled = now
        if not target.is_object or now - self._told >= _PROGRESS_EVERY:
            self._told = now
            self._progress(f"kernel: {self._state(now)}, {target.kind} {target.name}")

    def finish(self) -> None:
        """Note the size of the build, for the next one from the same start."""
        if self._is_counted:
            size = BuildSize(self._done, time.monotonic() - self._compiled)
            write_note(self._note, {**self._sizes(), self._build: size})

    def _sizes(self) -> dict[str, BuildSize]:
        return read_note(self._note, dict[str, BuildSize]) or {}

    def _state(self, now: float) -> str:
        size = self._size
        if size is None or self._done > size.objects:
            return f"{self._done} objects"
        said = f"{self._done} of {'about ' * self._is_estimate}{size.objects} objects"
        if self._done < max(1, _ENOUGH * size.objects):
            return said
        pace = (self._compiled - self._start) / self._done
        due = self._compiled + pace * (size.objects - self._done) + size.seconds_after
        return f"{said}, about {duration(max(0.0, due - now))} left"
