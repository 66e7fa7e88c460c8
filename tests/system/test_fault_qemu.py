# SPDX-License-Identifier: GPL-2.0-only
"""QEMU missing, too old, broken or replaced; and killed at each stage of a cell."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING, Any

import pytest
from cells import Cells, cells, touch
from harness_process import Place, place
from vm_machines import Machines, machines

from harness.model.verdict import Verdict
from harness.vm.machine import Machine
from harness.vm.qemu import QEMU, qemu_identity
from harness.vm.states import state_key
from harness.witness.reader import Witness
from harness.witness.tally import WitnessCommand

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.attacker import Attacker
    from harness.witness.handler import Handler

__all__ = ["cells", "machines", "place"]

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)


def test_a_qemu_that_is_missing(place: Place, tmp_path: Path) -> None:
    told = place.run(PATH=str(tmp_path)).told()
    assert told == f"umd-harness: {QEMU} is not installed; apt-get install qemu-system-x86"
    assert not place.results.exists()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            "echo 'QEMU emulator version 5.2.0 (Debian 1:5.2+dfsg-11)'",
            "is QEMU 5.2, which is too old: 9.0 is needed; install a newer QEMU",
        ),
        (
            "echo no such library >&2; exit 127",
            "prints no version but no such library; apt-get install",
        ),
    ],
)
def test_a_qemu_that_will_not_do(place: Place, tmp_path: Path, script: str, said: str) -> None:
    qemu = tmp_path / "bin" / QEMU
    qemu.parent.mkdir()
    qemu.write_text(f"#!/bin/sh\n{script}\n")
    qemu.chmod(0o755)
    path = f"{qemu.parent}:{os.environ['PATH']}"
    for _ in range(2):  # found out, and remembered
        told = place.run(PATH=path).told()
        assert str(qemu) in told
        assert said in told
    assert not place.results.exists()
    assert not place.left()


@pytest.fixture
def another_qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same program as another file, as an upgrade leaves it."""
    found = shutil.which(QEMU)
    assert found
    shutil.copy(found, tmp_path / QEMU)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    qemu_identity.cache_clear()
    yield
    qemu_identity.cache_clear()


def test_a_state_of_another_qemu_is_not_taken(
    machines: Machines, request: pytest.FixtureRequest
) -> None:
    before = state_key(machines.spec, machines.accelerator)
    request.getfixturevalue("another_qemu")
    assert state_key(machines.spec, machines.accelerator) != before


STAGES = ("boot", "saving", "trial", "restore", "attack", "aftermath")
"""The trial is the first start from a new state, before the state is kept."""


class Killer:
    """Kills a cell's QEMU once, at one of the STAGES."""

    def __init__(self, stage: str, patch: pytest.MonkeyPatch) -> None:
        self.stage = stage
        self.killed = False
        self._before(patch, Witness, "appear", "boot", lambda witness: witness._machine)
        self._before(patch, Machine, "save", "saving", lambda machine: machine)
        load, starts = Machine._load, iter(("trial", "restore"))

        def kill_before(machine: Machine, uri: str) -> None:
            self.at(next(starts, ""), machine)
            load(machine, uri)

        patch.setattr(Machine, "_load", kill_before)
        command = Witness.command

        def kill_after(witness: Witness, given: WitnessCommand, **options: Any) -> int:
            sequence = command(witness, given, **options)
            if given is WitnessCommand.AFTERMATH:
                self.at("aftermath", witness._machine)
            return sequence

        patch.setattr(Witness, "command", kill_after)

    def _before(
        self, patch: pytest.MonkeyPatch, owner: type, name: str, stage: str, machine_of: Any
    ) -> None:
        original = getattr(owner, name)

        def killing(self_: Any, *arguments: Any, **options: Any) -> Any:
            self.at(stage, machine_of(self_))
            return original(self_, *arguments, **options)

        patch.setattr(owner, name, killing)

    def at(self, stage: str, machine: Machine) -> None:
        """Say that a stage is reached."""
        if stage == self.stage and not self.killed:
            self.killed = True
            os.kill(machine.pid, signal.SIGKILL)


@pytest.mark.parametrize("stage", STAGES)
def test_a_qemu_that_is_killed(cells: Cells, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    """The cell is an error that says so; the next one starts as if nothing had been."""
    states = cells.machines.parent / "states"
    states.unlink()  # the shared ones: these are made here
    with monkeypatch.context() as patch:
        killer = Killer(stage, patch)

        def attack(attacker: Attacker, handler: Handler) -> None:
            touch(attacker, handler)
            killer.at("attack", handler._machine)
            touch(attacker, handler)

        outcome = cells.run(attack)
    assert killer.killed
    assert (outcome.verdict, outcome.detail) == (Verdict.ERROR, "QEMU was killed by SIGKILL")
    assert not cells.left()
    made = [path.name for path in states.glob("*-baseline/*")]
    assert len(made) == (0 if stage in ("boot", "saving", "trial") else 1)
    assert not [name for name in made if name.startswith(".")]
    assert cells.run(touch).verdict is Verdict.HELD
    assert not cells.left()
