# SPDX-License-Identifier: GPL-2.0-only
"""Round trips to real handlers are timed, and an added delay is measured."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from itertools import count
from signal import SIGSTOP
from statistics import median
from typing import TYPE_CHECKING, cast

import pytest
from late_replies import Lates
from sample import SELFTEST, Sample

from harness.attacker import GuestError
from harness.attacker.tools.cgroup import root
from harness.attacker.tools.tracefs import TRACING
from harness.host.errors import VmLost
from harness.lab.parser_clock import STARVED_SECONDS
from harness.lab.trip_clock import trip_clock
from harness.studies.round_trip import FEWEST, round_trip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.attacker import Attacker
    from harness.lab.images import BootImages
    from harness.lab.lab import Lab
    from harness.run.cell_runner import TripTimer
    from harness.vm.machine import Machine

TRIPS = 500
SLOW_TRIPS = 100
THROTTLE = 20
"""A busy host may stop the machine while the handler runs. The kernel counts this time as the
handler's, and makes the handler wait for so many times as long: a trip may take longer than the
deadline.
"""


@pytest.fixture
def lates(machine: Machine) -> Lates:
    """The trips that a busy host made late."""
    return Lates(machine)


@pytest.fixture
def clock(
    machine: Machine, images: BootImages, lates: Lates
) -> Iterator[Callable[[int], list[int]]]:
    """The clock of `machine`, past its first trips."""
    with trip_clock(machine, images.kernel, images.guest) as make:
        lates.in_time(make, TRIPS)
        yield make


class PatientTimer:
    """Times round trips on machines of a lab, and again those that a busy host made late."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    @contextmanager
    def trip_clock(self, variant: str) -> Iterator[Callable[[int], list[int]]]:
        """Start a machine. Yield a function that times a number of round trips in it."""
        images = self._lab.images(variant)
        with (
            self._lab.machine(variant) as machine,
            trip_clock(machine, images.kernel, images.guest) as make,
        ):
            lates = Lates(machine)
            yield lambda trips: lates.in_time(make, trips)


def test_isolation_costs_little(lab: Lab) -> None:
    timer = cast("TripTimer", PatientTimer(lab))
    found = round_trip(timer, pairs=FEWEST, turns=2, trips=100, progress=lambda _: None)
    assert found.ratio < 1.5, str(found)
    assert len(found.pairs) == FEWEST
    assert {len(pair.baseline) for pair in found.pairs} == {200}
    assert {len(pair.isolated) for pair in found.pairs} == {200}


def test_the_trips_fill_a_good_part_of_the_time_that_passes(
    clock: Callable[[int], list[int]], lates: Lates
) -> None:
    """So much for the unit. What is left are the self-test's own work, and starting the payload."""

    def taken_and_passed() -> tuple[float, float]:
        start = time.monotonic()
        return sum(clock(2000)) / 1e6, time.monotonic() - start

    taken, passed = lates.in_time(taken_and_passed)
    assert passed / 100 < taken < passed


def test_a_longer_trip_shows(
    clock: Callable[[int], list[int]], attacker: Attacker, machine: Machine
) -> None:
    """The kernel says for how long it kept the handler from running. The trips last as long.

    The handler runs for 1 ms in 20 ms. So most of the time is in these waits, on a busy host as
    well, and a clock that misses the waits shows far less than half of the time.
    """
    driver = Sample(attacker, machine, SELFTEST)
    numbers = count()

    def taken_and_waited() -> tuple[int, int]:
        """Time trips of a handler in a group of its own; return that, and what it waited."""
        cell = root(attacker).child(f"cell{next(numbers)}", "cpu")
        cell.set("cpu.max", f"1000 {1000 * THROTTLE}")
        driver.write("4096 4096")  # starts a handler if there is none
        cell.add(driver.pid)
        taken = sum(clock(SLOW_TRIPS))
        stat = attacker.read_file(f"{cell.path}/cpu.stat")
        (waited,) = re.findall(rb"throttled_usec (\d+)", stat)
        return taken, int(waited)

    throttled = Lates(machine, starved=STARVED_SECONDS / THROTTLE)
    taken, waited = throttled.in_time(taken_and_waited)
    assert waited > 0
    assert taken > waited / 2


def test_a_trip_to_a_stopped_handler_is_late(
    clock: Callable[[int], list[int]], attacker: Attacker, machine: Machine
) -> None:
    attacker.kill(Sample(attacker, machine, SELFTEST).pid, SIGSTOP)
    with pytest.raises(GuestError, match="ETIMEDOUT at write"):
        clock(1)


def test_a_count_does_not_depend_on_the_host(lab: Lab) -> None:
    with lab.trip_clock("isolated", counts=True) as make:
        make(TRIPS)
        first, second = median(make(100)), median(make(100))
    assert first == pytest.approx(second, rel=0.02)
    assert first > 10_000, "these are no instructions"


def test_trips_that_fell_out_of_the_trace_are_missed(
    clock: Callable[[int], list[int]], attacker: Attacker, lates: Lates
) -> None:
    attacker.write_file(f"{TRACING}/buffer_size_kb", b"8")
    with pytest.raises(VmLost, match=r"shows \d+ of 1000 round trips"):
        lates.in_time(clock, 1000)
