# SPDX-License-Identifier: GPL-2.0-only
"""Saved states: a machine boots once, and every scenario starts from where it was (rule 4)."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from harness.cache.locks import StillLocked
from harness.cache.places import STATES
from harness.cache.store import Store
from harness.host.errors import BadState, QemuCrashed, VmLost, WrongClock
from harness.vm.capacity import check_room, full_disk_told
from harness.vm.machine import Machine
from harness.vm.qemu import qemu_identity
from harness.vm.saved_state import SavedState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.cache.store import Fill
    from harness.vm.probe import Accelerator
    from harness.vm.spec import MachineSpec


KEPT = 2
"""States kept of one name: a user who alternates between two trees boots once for each."""
IDLE_SECONDS = 600.0
"""States that were used within this time stay: a cell of another run may be about to open them."""
MAKING_SECONDS = 600
BAD_BOOTS = (WrongClock, QemuCrashed, BadState)
"""Faults of a busy host or of QEMU. No attack has run yet, so another boot is as good."""
BOOTS = 5
"""How often a machine is booted, at most, until that goes well."""
_READY = "the handler is warm, the clock has settled, and a restored machine goes on"
"""What a state has passed before it is kept; older states have not."""


def state_key(spec: MachineSpec, accelerator: Accelerator) -> str:
    """A hash of all that decides what a saved state holds and who can load it."""
    parts = [
        _READY,
        *qemu_identity(),
        spec.kernel_key,
        spec.guest_key,
        spec.append,
        *([spec.settings] if spec.settings else []),
        accelerator.name,
        *spec.arguments(),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def saved_state(
    spec: MachineSpec,
    accelerator: Accelerator,
    *,
    ready: Callable[[Machine], None],
    goes_on: Callable[[Machine], None] = lambda _: None,
) -> SavedState:
    """Return the state of `spec`; one worker makes it if it is missing, and the others wait.

    `ready` gets the booting machine and returns when it may be saved. `goes_on` gets a machine that
    was restored from the new state, and raises VmLost if the state is of no use. The last used
    `KEPT` states of a name stay, and those in use. A damaged state is made again. Raises VmLost if
    the machine does not boot as far as that, UserError if it never could.
    """
    store = _store(spec.name)

    def fill(new: Path) -> None:
        check_room(spec, store.root)
        _make_well(new, partial(_make, spec, accelerator, ready, goes_on))

    try:
        return SavedState(store.find_or_make(state_key(spec, accelerator), fill))
    except StillLocked as error:
        raise VmLost(f"another worker did not make the state of {spec.name}") from error


def _store(name: str) -> Store:
    """The states of the machines of one name. Their folders are the owner's alone."""
    return Store(
        STATES.path() / name,
        seconds=MAKING_SECONDS,
        kept=KEPT,
        idle_seconds=IDLE_SECONDS,
        mode=0o700,
    )


def _make_well(new: Path, make: Fill) -> None:
    """Make the state in an empty folder; again, after one of the `BAD_BOOTS`."""
    for _ in range(BOOTS - 1):
        with suppress(*BAD_BOOTS):
            return make(new)
        for path in new.iterdir():
            path.unlink()
    return make(new)


def _make(
    spec: MachineSpec,
    accelerator: Accelerator,
    ready: Callable[[Machine], None],
    goes_on: Callable[[Machine], None],
    new: Path,
) -> None:
    """Boot, save, and try the saved state. Raises VmLost, and BadState if the trial fails."""
    with Machine.boot(spec, accelerator) as machine, full_disk_told(_store(spec.name).root):
        ready(machine)
        machine.pause()
        machine.save(new)
        SavedState(new).note_placement(machine.placement)
    with Machine.restore(spec, accelerator, SavedState(new)) as machine:
        try:
            goes_on(machine)
        except VmLost as lost:
            raise BadState(f"no machine goes on from the saved state: {lost}") from lost
