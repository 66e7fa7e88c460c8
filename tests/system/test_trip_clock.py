# SPDX-License-Identifier: GPL-2.0-only
"""Round trips to real handlers are timed, and an added delay is measured."""

from __future__ import annotations

import re
import time
from statistics import median
from typing import TYPE_CHECKING

import pytest
from sample import SELFTEST, Sample

from harness.attacker.tools.cgroup import root
from harness.attacker.tools.tracefs import TRACING
from harness.host.errors import VmLost
from harness.lab.trip_clock import trip_clock
from harness.studies.round_trip import FEWEST, round_trip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.attacker import Attacker
    from harness.lab.images import BootImages
    from harness.lab.lab import Lab
    from harness.vm.machine import Machine

TRIPS = 500
SLOW_TRIPS = 100
TRIES = 6
"""A busy host may stop the machine while the handler runs. The kernel counts this time as the
handler's, and makes the handler wait for twenty times as long: a trip may take longer than the
deadline.
"""


@pytest.fixture
def clock(machine: Machine, images: BootImages) -> Iterator[Callable[[int], list[int]]]:
    """The clock of `machine`, past its first trips."""
    with trip_clock(machine, images.kernel, images.guest) as make:
        make(TRIPS)
        yield make


def test_isolation_costs_little(lab: Lab) -> None:
    found = round_trip(lab, pairs=FEWEST, turns=2, trips=100, progress=lambda _: None)
    assert found.ratio < 1.5, str(found)
    assert len(found.pairs) == FEWEST
    assert {len(pair.baseline) for pair in found.pairs} == {200}
    assert {len(pair.isolated) for pair in found.pairs} == {200}


def test_the_trips_fill_a_good_part_of_the_time_that_passes(
    clock: Callable[[int], list[int]],
) -> None:
    """So much for the unit. What is left are the self-test's own work, and starting the payload."""
    start = time.monotonic()
    taken = sum(clock(2000)) / 1e6
    passed = time.monotonic() - start
    assert passed / 100 < taken < passed


def test_a_longer_trip_shows(
    clock: Callable[[int], list[int]], attacker: Attacker, machine: Machine
) -> None:
    """The kernel says for how long it kept the handler from running. The trips last as long.

    The handler runs for 1 ms in 20 ms. So most of the time is in these waits, on a busy host as
    well, and a clock that misses the waits shows far less than half of the time.
    """
    driver = Sample(attacker, machine, SELFTEST)
    for number in range(TRIES):
        cell = root(attacker).child(f"cell{number}", "cpu")
        cell.set("cpu.max", "1000 20000")
        driver.write("4096 4096")  # starts a handler if there is none
        cell.add(driver.pid)
        try:
            taken = sum(clock(SLOW_TRIPS))
        except ChildProcessError:
            continue
        waited = re.search(rb"throttled_usec (\d+)", attacker.read_file(f"{cell.path}/cpu.stat"))
        assert waited
        assert int(waited[1]) > 0
        assert taken > int(waited[1]) / 2
        return
    pytest.fail("a trip took longer than the deadline each time")


def test_a_count_does_not_depend_on_the_host(lab: Lab) -> None:
    with lab.trip_clock("isolated", counts=True) as make:
        make(TRIPS)
        first, second = median(make(100)), median(make(100))
    assert first == pytest.approx(second, rel=0.02)
    assert first > 10_000, "these are no instructions"


def test_trips_that_fell_out_of_the_trace_are_missed(
    clock: Callable[[int], list[int]], attacker: Attacker
) -> None:
    attacker.write_file(f"{TRACING}/buffer_size_kb", b"8")
    with pytest.raises(VmLost, match=r"shows \d+ of 1000 round trips"):
        clock(1000)
