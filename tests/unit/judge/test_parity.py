# SPDX-License-Identifier: GPL-2.0-only
"""Parity is shown axis by axis, and not claimed where either side said nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from outcomes import as_expected, cell
from scripted_lab import outcome
from small_corpus import SMALL

from harness.judge.cells import all_cells
from harness.judge.conclusion import conclude
from harness.judge.parity import parities
from harness.model.verdict import Axes, Verdict

if TYPE_CHECKING:
    from harness.model.cell import Outcome


BOTH = Axes(integrity=True, availability=True)


def worse(**script: Outcome) -> dict[str, tuple[str, ...] | None]:
    outcomes = as_expected(**script)
    results = [conclude(SMALL, one, outcomes) for one in all_cells(SMALL)]
    return {one.scenario: axes for one, axes in parities(results)}


def test_what_holds_on_both_is_alike_and_so_is_what_both_lose() -> None:
    assert worse() == dict.fromkeys(
        ("ptrace_seize", "proc_mem_write", "process_vm_readv", "dev_mem"), ()
    )


def test_only_what_a_thread_is_spared_counts() -> None:
    lost = outcome(Verdict.TAMPERED, axes=BOTH)
    assert worse(isolated__ptrace_seize=lost)["ptrace_seize"] == ("integrity", "availability")
    alike = worse(isolated__ptrace_seize=lost, kthread__ptrace_seize=outcome(Verdict.DISRUPTED))
    assert alike["ptrace_seize"] == ("integrity",)


def test_a_thread_has_nothing_to_lose_where_there_is_nothing_of_it() -> None:
    lost = outcome(Verdict.TAMPERED)
    nothing = outcome(Verdict.NOT_APPLICABLE, "a thread has no blob")
    assert worse(isolated__dev_mem=lost, kthread__dev_mem=nothing)["dev_mem"] == ("integrity",)


def test_what_is_not_there_on_either_side_is_alike() -> None:
    nothing = outcome(Verdict.NOT_APPLICABLE, "no such hardware")
    both = worse(isolated__dev_mem=nothing, kthread__dev_mem=nothing)
    assert both["dev_mem"] == ()


def test_a_step_that_a_thread_does_not_grant_counts() -> None:
    gained = replace(outcome(Verdict.HELD), gained=("its address",))
    assert worse(isolated__ptrace_seize=gained)["ptrace_seize"] == ("a step",)
    both = worse(isolated__ptrace_seize=gained, kthread__ptrace_seize=gained)
    assert both["ptrace_seize"] == ()


@pytest.mark.parametrize("variant", ["isolated", "kthread"])
def test_an_error_shows_no_parity(variant: str) -> None:
    broken = {f"{variant}__ptrace_seize": outcome(Verdict.ERROR, "lost")}
    assert worse(**broken)["ptrace_seize"] is None


def test_without_the_reference_there_is_none() -> None:
    outcomes = as_expected()
    results = [
        conclude(SMALL, one, outcomes) for one in all_cells(SMALL) if one.variant != "kthread"
    ]
    assert set(dict(parities(results)).values()) == {None}
    assert cell("isolated", "ptrace_seize") in dict(parities(results))
