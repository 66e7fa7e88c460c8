# SPDX-License-Identifier: GPL-2.0-only
"""The attack surface of the shipped line: no entry is open, and an open entry is reported."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from harness.surface.command import scenarios_by_row
from harness.surface.diff import added_by_series, justify
from harness.surface.facts import facts_of_line
from harness.surface.probe import probe
from harness.surface.report import count, is_closed, report
from harness.surface.review import EntryState
from harness.surface.routes import ROUTES

if TYPE_CHECKING:
    from harness.lab.lab import Lab
    from harness.surface.facts import Facts

# The first count takes a minute on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(1200)

LEAST = {
    "hooks": 40,
    "entries": 200,
    "senders": 40,
    "writes": 200,
    "spares": 200,
    "nodes": 1200,
}
"""Entries of each route on 6.12: far fewer would mean that the route no longer finds them."""


@pytest.fixture(scope="module")
def facts(lab: Lab) -> Facts:
    return facts_of_line(lab, progress=lambda _: None)


def test_nothing_is_open(facts: Facts) -> None:
    counted = count(facts, scenarios_by_row())
    assert is_closed(counted), report(facts, counted, everything=False)


@pytest.mark.parametrize("route", [route.name for route in ROUTES])
def test_each_route_finds_its_entries(facts: Facts, route: str) -> None:
    assert len(facts.routes[route]) >= LEAST[route]


def test_all_that_our_series_adds_is_justified(facts: Facts) -> None:
    additions, stale = justify(added_by_series("6.12", facts))
    assert not [one.name for one in additions if not one.requirement]
    assert not stale


def test_the_probe_finds_what_moves_the_handler_and_nothing_else(lab: Lab) -> None:
    moving = ["/proc/<pid>/oom_score_adj", "/sys/fs/cgroup/<group>/cgroup.freeze"]
    still = ["/proc/sys/kernel/hostname", "/proc/sys/kernel/printk", "/proc/<pid>/comm"]
    files = {name: name for name in [*still, *moving]}
    probed = probe(lab, files, jobs=1, progress=lambda _: None)
    assert [moved.node for moved in probed.moved] == moving
    assert probed.refused == 1, "/proc/<pid>/comm is its own to write"


def test_an_attack_that_is_taken_away_leaves_its_entries_open(facts: Facts) -> None:
    without = {row: names for row, names in scenarios_by_row().items() if row != "proc-mem-write"}
    opened = [entry.name for one in count(facts, without) for entry in one.of(EntryState.OPEN)]
    assert {"mem_write", "/proc/<pid>/mem"} <= set(opened)


def test_a_new_way_in_is_open_on_its_first_day(facts: Facts) -> None:
    found = {**facts.routes["entries"], "__x64_sys_process_poke": "system call: find_get_pid"}
    tomorrow = replace(facts, name="tomorrow", routes={**facts.routes, "entries": found})
    counted = count(tomorrow, scenarios_by_row())
    assert not is_closed(counted)
    assert "__x64_sys_process_poke  (not reviewed)" in report(tomorrow, counted, everything=False)
