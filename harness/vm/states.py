# SPDX-License-Identifier: GPL-2.0-only
"""Saved states: a machine boots once, and every scenario starts from where it was (rule 4)."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from harness.paths import cache_dir
from harness.vm.machine import DEVICE, RAM, Machine

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.vm.probe import Accelerator
    from harness.vm.spec import MachineSpec


@dataclass(frozen=True)
class SavedState:
    """A paused machine on disk: its RAM, mapped copy-on-write, and its devices."""

    ram: Path
    device: Path


@cache
def qemu_version() -> str:
    """The first line of `qemu-system-x86_64 --version`."""
    command = ["qemu-system-x86_64", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.partition("\n")[0]


def state_key(spec: MachineSpec, accelerator: Accelerator) -> str:
    """A hash of all that decides what a saved state holds and who can load it."""
    parts = [
        qemu_version(),
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

    `ready` is given the booting machine and returns when it may be saved. States of the same
    name made from something else are removed. Raises VmLost if the machine does not get there.
    """
    base = cache_dir() / "states" / spec.name
    directory = base / state_key(spec, accelerator)
    state = SavedState(directory / RAM, directory / DEVICE)
    if directory.is_dir():
        return state
    base.mkdir(parents=True, exist_ok=True)
    with FileLock(base.parent / f"{spec.name}.lock"):
        if not directory.is_dir():
            for stale in base.iterdir():
                shutil.rmtree(stale, ignore_errors=True)
            _make(spec, accelerator, directory, ready)
    return state


def _make(
    spec: MachineSpec,
    accelerator: Accelerator,
    directory: Path,
    ready: Callable[[Machine], None],
) -> None:
    with tempfile.TemporaryDirectory(dir=directory.parent, ignore_cleanup_errors=True) as made:
        with Machine.boot(spec, accelerator) as machine:
            ready(machine)
            machine.pause()
            machine.save(Path(made))
        Path(made).rename(directory)
        directory.chmod(0o755)
