# SPDX-License-Identifier: GPL-2.0-only
"""Saved states: a machine boots once, and every scenario starts from where it was (rule 4)."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from harness.cache.integrity import is_sealed, seal
from harness.host.errors import QemuCrashed, VmLost, WrongClock
from harness.host.paths import cache_dir
from harness.vm.capacity import check_room, full_disk_told
from harness.vm.disk import DISK
from harness.vm.machine import DEVICE, RAM, Machine
from harness.vm.qemu import qemu_identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.vm.probe import Accelerator
    from harness.vm.spec import MachineSpec


KEPT = 2
"""States kept of one name: someone who goes back and forth between two trees boots once in each."""
MAKING_SECONDS = 600
BAD_BOOTS = (WrongClock, QemuCrashed)
"""A busy host's doing, or QEMU's: before any attack, another boot is as good."""
BOOTS = 5
"""How often a machine is booted, at most, until that goes well."""
_UNFINISHED = ".unfinished-"
_READY = "the handler is warm, and the clock has settled"
"""What is waited for before a state is saved; older states were not so far."""


@dataclass(frozen=True)
class SavedState:
    """A paused machine on disk."""

    directory: Path

    @property
    def ram(self) -> Path:
        """Its memory, mapped copy-on-write."""
        return self.directory / RAM

    @property
    def device(self) -> Path:
        """Its devices."""
        return self.directory / DEVICE

    @property
    def disk(self) -> Path:
        """What it had written to its disk, if it has one."""
        return self.directory / DISK

    @property
    def placement(self) -> Path:
        """What was noted before any attacker's code ran: where its kernel was loaded."""
        return self.directory / "placement.json"

    @property
    def load_offset(self) -> int:
        """Its machine's `load_offset`. Raises VmLost if that was not noted."""
        try:
            return int(json.loads(self.placement.read_text())["load_offset"])
        except (KeyError, TypeError, ValueError) as error:
            raise VmLost(f"{self.placement} does not say where the kernel is") from error


def state_key(spec: MachineSpec, accelerator: Accelerator) -> str:
    """A hash of all that decides what a saved state holds and who can load it."""
    parts = [
        _READY,
        *qemu_identity(),
        spec.kernel_key,
        spec.guest_key,
        spec.append,
        accelerator.name,
        *spec.arguments(),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def saved_state(
    spec: MachineSpec, accelerator: Accelerator, *, ready: Callable[[Machine], None]
) -> SavedState:
    """The state of `spec`, made now if it is not there: by one worker, the others wait.

    `ready` is given the booting machine and returns when it may be saved. Of the states of the
    same name that were made from something else the last used ones are kept. One that is no
    longer whole is made again. Raises VmLost if the machine does not get there, UserError if it
    never could.
    """
    base = cache_dir() / "states" / spec.name
    directory = base / state_key(spec, accelerator)
    state = SavedState(directory)
    if _is_there(directory):
        return state
    base.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(base.parent / f"{spec.name}.lock", timeout=MAKING_SECONDS):
            if not _is_there(directory):
                _prune(base)
                shutil.rmtree(directory, ignore_errors=True)
                check_room(spec, base)
                _make_well(spec, accelerator, directory, ready)
    except Timeout as error:
        raise VmLost(f"another worker did not make the state of {spec.name}") from error
    return state


def _is_there(directory: Path) -> bool:
    """Whether the state was made and is whole; it counts as used now."""
    if not is_sealed(directory):
        return False
    os.utime(directory)
    return True


def _prune(base: Path) -> None:
    """Leave room for a new state, and nothing of those that were never finished."""
    for unfinished in base.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    last_used = sorted(base.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    for stale in last_used[: 1 - KEPT]:
        shutil.rmtree(stale, ignore_errors=True)


def _make_well(
    spec: MachineSpec,
    accelerator: Accelerator,
    directory: Path,
    ready: Callable[[Machine], None],
) -> None:
    """Make the state; again, after one of the `BAD_BOOTS`."""
    for _ in range(BOOTS - 1):
        with suppress(*BAD_BOOTS):
            return _make(spec, accelerator, directory, ready)
    return _make(spec, accelerator, directory, ready)


def _make(
    spec: MachineSpec,
    accelerator: Accelerator,
    directory: Path,
    ready: Callable[[Machine], None],
) -> None:
    with tempfile.TemporaryDirectory(
        dir=directory.parent, prefix=_UNFINISHED, ignore_cleanup_errors=True
    ) as made:
        with Machine.boot(spec, accelerator) as machine, full_disk_told(directory.parent):
            ready(machine)
            machine.pause()
            machine.save(Path(made))
            placement = {"load_offset": machine.load_offset}
            SavedState(Path(made)).placement.write_text(json.dumps(placement) + "\n")
        seal(Path(made))
        Path(made).rename(directory)
