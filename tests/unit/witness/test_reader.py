# SPDX-License-Identifier: GPL-2.0-only
"""The deadline of a wait moves by the time for which a busy host gives QEMU no CPU."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from unittest.mock import MagicMock, Mock, patch

import pytest
from tallies import BEFORE

from harness.host.errors import Silent
from harness.vm.cpu_use import CpuUse
from harness.witness.evidence import LOCKDEP_OFF
from harness.witness.heartbeat import BEAT_SECONDS
from harness.witness.reader import ASLEEP_SECONDS, DEAD_SECONDS, PATIENCE, Witness
from harness.witness.tally import WitnessState

if TYPE_CHECKING:
    from harness.witness.tally import Tally


LOCKS = 4096
"""Where `debug_locks` is in memory."""


class Polled(Witness):
    """A witness whose machine lives by a clock of its own, which each look moves by 0.1 s."""

    def __init__(self, *, waiting: float) -> None:
        image = Mock(physical=Mock(return_value=0), symbols={})
        super().__init__(Mock(load_offset=0), image)
        self.now = 0.0
        self._waiting = waiting

    def read(self) -> Tally:
        """QEMU waited for this share of the time since the start, and no beat is missing."""
        self.now += 0.1
        use = CpuUse(worked=0.1 * self.now, waited=self._waiting * self.now)
        beats = int(self.now / BEAT_SECONDS)
        self.heartbeat.note(beats, stopped=self.now, resumed=self.now, use=use)
        return BEFORE

    def gives_up(self) -> float:
        """Return after how many seconds a wait of 2 s ends in vain."""
        with (
            patch("harness.witness.reader.time.monotonic", lambda: self.now),
            patch("harness.witness.reader.time.sleep", Mock()),
            pytest.raises(Silent, match="no start within 2 s"),
        ):
            self.wait(lambda _: False, seconds=2, what="start")
        return self.now


@pytest.mark.parametrize(
    ("symbols", "locks", "flags"),
    [
        ({"debug_locks": LOCKS, "lock_acquire": 2}, 0, LOCKDEP_OFF),
        ({"debug_locks": LOCKS, "lock_acquire": 2}, 1, 0),
        ({"debug_locks": LOCKS}, 0, 0),  # each kernel has this variable
        ({}, 0, 0),
    ],
)
def test_lockdep_that_is_off_is_a_flag(symbols: dict[str, int], locks: int, flags: int) -> None:
    """All other memory of the machine is zero here."""

    def read(address: int, size: int) -> bytes:
        return (locks if address == LOCKS else 0).to_bytes(size, "little")

    image = Mock(physical=lambda name: symbols.get(name, 0), symbols=symbols)
    machine = MagicMock(load_offset=0, read=read)
    assert Witness(machine, image).taint() == flags


@pytest.mark.parametrize(
    ("waiting", "seconds"), [(0.0, 2.0), (0.5, 4.0), (0.75, 8.0), (9.0, 2.0 * (1 + PATIENCE))]
)
def test_a_deadline_moves_by_what_the_host_owes(waiting: float, seconds: float) -> None:
    assert Polled(waiting=waiting).gives_up() == pytest.approx(seconds, abs=0.4)


class Still(Polled):
    """A witness of a machine whose heart beats no more; its guest has suspended it, or not."""

    def __init__(self, *, suspended: bool) -> None:
        super().__init__(waiting=0.0)
        self._machine.is_suspended = Mock(return_value=suspended)  # type: ignore[method-assign]

    def read(self) -> Tally:
        self.now += 0.1
        use = CpuUse(worked=0.1 * self.now, waited=0.0)
        self.heartbeat.note(7, stopped=self.now, resumed=self.now, use=use)
        return BEFORE

    def gives_up(self) -> float:
        with (
            patch("harness.witness.reader.time.monotonic", lambda: self.now),
            patch("harness.witness.reader.time.sleep", Mock()),
            pytest.raises(Silent, match="no start: the guest's heart has stopped") as silent,
        ):
            self.wait(lambda _: False, seconds=60, what="start")
        assert not silent.value.alive
        return self.now


@pytest.mark.parametrize(("suspended", "seconds"), [(True, ASLEEP_SECONDS), (False, DEAD_SECONDS)])
def test_a_machine_that_its_guest_has_suspended_is_not_waited_for(
    suspended: bool, seconds: float
) -> None:
    assert Still(suspended=suspended).gives_up() == pytest.approx(seconds, abs=0.4)


class Parking(Witness):
    """A witness whose last command was the sixth, and which has these tallies one by one."""

    def __init__(self, *tallies: Tally) -> None:
        memory = Mock(side_effect=lambda _, size: (6).to_bytes(size, "little"))
        image = Mock(physical=Mock(return_value=0), symbols={})
        super().__init__(MagicMock(load_offset=0, read=memory), image)
        self._tallies = iter(tallies)

    def read(self) -> Tally:
        return next(self._tallies)


def test_a_restored_witness_is_parked_anew() -> None:
    """It is parked as it was saved until the guest notices its new id. Then it asks once more."""
    saved = replace(BEFORE, state=WitnessState.PARKED, command=5)
    awake = replace(BEFORE, state=WitnessState.RUNNING, command=6)
    parked = replace(BEFORE, state=WitnessState.PARKED, command=6)
    assert Parking(saved, saved, awake, parked).park() is parked
