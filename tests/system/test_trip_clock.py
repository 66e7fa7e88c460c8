# SPDX-License-Identifier: GPL-2.0-only
"""Round trips to real handlers are timed, and an added delay is measured."""

from __future__ import annotations

import re
import time
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


@pytest.fixture
def clock(machine: Machine, images: BootImages) -> Iterator[Callable[[int], list[int]]]:
    """The clock of `machine`, past its first trips."""
    with trip_clock(machine, images.kernel, images.guest) as make:
        make(TRIPS)
        yield make


def test_isolation_costs_little(lab: Lab) -> None:
    found = round_trip(lab, pairs=FEWEST, turns=2, trips=100, progress=lambda _: None)
    # A busy host may slow one machine of a pair down. It does not do so to all pairs.
    assert found.interval[0] < 1.5, str(found)
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
    assert passed / 10 < taken < passed


def test_a_longer_trip_shows(clock: Callable[[int], list[int]], attacker: Attacker) -> None:
    """The kernel says for how long it kept the handler from running. The trips last as long.

    A throttled handler may also wait between two trips, which take about half of the time.
    """
    cell = root(attacker).child("cell", "cpu")
    cell.add(Sample(attacker, SELFTEST).pid)
    cell.set("cpu.max", "1000 5000")
    taken = sum(clock(TRIPS))
    throttled = re.search(rb"throttled_usec (\d+)", attacker.read_file(f"{cell.path}/cpu.stat"))
    assert throttled
    assert int(throttled[1]) > 0
    assert taken > int(throttled[1]) / 4


def test_trips_that_fell_out_of_the_trace_are_missed(
    clock: Callable[[int], list[int]], attacker: Attacker
) -> None:
    attacker.write_file(f"{TRACING}/buffer_size_kb", b"8")
    with pytest.raises(VmLost, match=r"shows \d+ of 1000 round trips"):
        clock(1000)
