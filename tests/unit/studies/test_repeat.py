# SPDX-License-Identifier: GPL-2.0-only
"""Cells that are run again and again: one other verdict among many is seen."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock

import pytest
from scripted_lab import ScriptedLab, outcome

from harness.host.errors import UserError
from harness.model.cell import Cell, Outcome
from harness.model.verdict import Verdict
from harness.scenarios.corpus import SHIPPED
from harness.studies.repeat import repeat

CELLS = [Cell("6.12", "isolated", name) for name in ("proc_mem_write", "ptrace_seize")]


@dataclass
class Fickle:
    """Gives another outcome for one cell at the seventh time."""

    other: Outcome | Exception
    usual: Outcome = field(default_factory=partial(outcome, Verdict.HELD))
    _times: int = 0
    _lock: Lock = field(default_factory=Lock)

    def run(self, cell: Cell, *, fresh: bool = False) -> Outcome:
        if cell != CELLS[1]:
            return replace(self.usual, seconds=float(fresh))
        with self._lock:
            self._times += 1
            if self._times != 7:
                return self.usual
        if isinstance(self.other, Exception):
            raise self.other
        return self.other


def test_each_cell_is_run_as_often_as_asked() -> None:
    lab = ScriptedLab()
    counts = repeat(lab, CELLS, corpus=SHIPPED, times=9, jobs=3, progress=lambda _: None)
    assert [str(count) for count in counts] == [f"{cell.id}: 9 x held" for cell in CELLS]
    assert len(lab.ran) == 18
    assert all(count.steady for count in counts)


@pytest.mark.parametrize("other", [Verdict.TAMPERED, Verdict.ERROR])
def test_one_other_verdict_is_seen(other: Verdict) -> None:
    steady, fickle = repeat(
        Fickle(outcome(other, "for once")),
        CELLS,
        corpus=SHIPPED,
        times=8,
        jobs=2,
        progress=lambda _: None,
    )
    assert steady.steady
    assert not fickle.steady
    assert str(fickle) == f"{CELLS[1].id}: NOT STEADY: 7 x held (), 1 x {other} (for once)"


def test_an_attack_that_was_half_done_for_once_is_seen() -> None:
    whole, half = outcome(Verdict.TAMPERED), replace(outcome(Verdict.TAMPERED), carried_out=False)
    lab = Fickle(half, usual=whole)
    _, fickle = repeat(lab, CELLS, corpus=SHIPPED, times=8, jobs=2, progress=lambda _: None)
    assert not fickle.steady
    assert str(fickle) == f"{CELLS[1].id}: NOT STEADY: 8 x tampered (), 1 x a partial attack"


def test_errors_every_time_are_not_steady() -> None:
    lab = ScriptedLab(
        {("isolated", name): outcome(Verdict.ERROR) for name in ("proc_mem_write", "ptrace_seize")}
    )
    assert not any(
        count.steady
        for count in repeat(lab, CELLS, corpus=SHIPPED, times=2, jobs=1, progress=lambda _: None)
    )


def test_what_stops_every_cell_stops_it() -> None:
    with pytest.raises(UserError):
        repeat(
            Fickle(UserError("no QEMU", hint="install it")),
            CELLS,
            corpus=SHIPPED,
            times=8,
            jobs=2,
            progress=lambda _: None,
        )
