# SPDX-License-Identifier: GPL-2.0-only
"""A machine that is lost late loses no figures that were measured before."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from scripted_lab import ScriptedLab, SmallLab, outcome

from harness.host.errors import UserError, VmLost
from harness.model.verdict import Verdict
from harness.studies.bench import REPEAT, bench
from harness.studies.cut_short import CutShort, kept
from harness.studies.fresh_cost import fresh_cost
from harness.studies.round_trip import round_trip
from harness.studies.system_cost import system_cost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from command_here import Here

pytest_plugins = ["command_here"]

LOST = "QEMU is gone"


@dataclass
class Lossy(ScriptedLab):
    """Its machines are lost from the N-th on."""

    good: int = 0

    def start(self) -> None:
        self.good -= 1
        if self.good < 0:
            raise VmLost(LOST)

    @contextmanager
    def trip_clock(
        self, variant: str, *, counts: bool = False
    ) -> Iterator[Callable[[int], list[int]]]:
        assert not counts
        self.start()
        yield lambda trips: [205 if variant == "isolated" else 200] * trips

    @contextmanager
    def request_clock(self, variant: str) -> Iterator[Callable[[int, int], dict[str, list[int]]]]:
        assert variant == "isolated"
        self.start()
        yield lambda times, rounds: dict.fromkeys(("request", "fresh", "start"), rounds * [times])

    @contextmanager
    def counter(self) -> Iterator[Callable[[str, int, int], list[int]]]:
        self.start()
        yield lambda _name, times, rounds: rounds * [times]


def silent(_text: str) -> None:
    """Take no progress."""


def test_the_pairs_before_a_lost_machine_are_kept() -> None:
    found, cut = kept(lambda: round_trip(Lossy(good=2 * 7), pairs=15, progress=silent))
    assert len(found.pairs) == 7
    assert found.interval == (1.025, 1.025)
    assert cut is not None
    assert str(cut).startswith(
        f"no round trips could be timed: {LOST}; the figures above are those of 7 of 15 pairs of "
        "machines; see whether"
    )


def test_fewer_pairs_than_an_interval_takes_are_told() -> None:
    with pytest.raises(UserError, match=r"of 2 of 15 pairs of machines: 1\.025, 1\.025;"):
        kept(lambda: round_trip(Lossy(good=5), pairs=15, progress=silent))


def test_the_machines_before_a_lost_one_are_kept() -> None:
    found, cut = kept(lambda: fresh_cost(Lossy(good=7), machines=15, progress=silent))
    assert len(found.fresh) == 7
    assert "those of 7 of 15 machines" in str(cut)
    with pytest.raises(UserError, match=LOST) as error:
        kept(lambda: fresh_cost(Lossy(good=5), machines=15, progress=silent))
    assert not isinstance(error.value, CutShort)


def test_the_pairs_of_kernels_before_a_lost_machine_are_kept() -> None:
    lab = Lossy(good=7)

    def stock() -> Iterator[Callable[[str, int, int], list[int]]]:
        yield lambda _name, times, rounds: rounds * [times]

    start = contextmanager(stock)
    found, cut = kept(lambda: system_cost(start, lab.counter, pairs=15, progress=silent))
    assert {len(one.series) for one in found} == {7}
    assert "those of 7 of 15 pairs of machines" in str(cut)


def test_the_cells_before_an_error_are_kept() -> None:
    lab = SmallLab({("isolated", "proc_mem_write"): outcome(Verdict.ERROR, LOST)})
    found, cut = kept(lambda: bench(lab, line="6.12", repeat=REPEAT, progress=silent))
    assert [one.name for one in found] == ["6.12-baseline-nothing"]
    assert "those of the round trips, and 1 of 3 cells" in str(cut)


def test_bench_prints_and_writes_what_it_has(here: Here) -> None:
    script = {("kthread", "nothing"): outcome(Verdict.ERROR, LOST)}
    here._lab.script = script
    assert here.command("bench", "-n", "7", "--output", "figures.json") == 2
    (line,) = here.error.splitlines()
    assert line.startswith(f"umd-harness: 6.12-kthread-nothing ended in an error: {LOST}; ")
    assert "ratio 1.025 (1.025 to 1.025), within 1.10" in here.out
    assert "\n6.12-baseline-nothing " in here.out
    written = json.loads((here.folder / "figures.json").read_text())
    assert len(written["round_trip"]["pairs"]) == 7
    assert (
        f"{LOST}; the figures are those of the round trips, and 2 of 3 cells"
        in written["cut_short"]
    )
    assert [one["name"] for one in written["cells"]] == [
        "6.12-baseline-nothing",
        "6.12-isolated-proc_mem_write",
    ]
