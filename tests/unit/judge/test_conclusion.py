# SPDX-License-Identifier: GPL-2.0-only
"""From outcomes to results: what each rests on, and what is no evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from outcomes import CONTROL, ISOLATED, as_expected, cell
from scripted_lab import expected_outcome, outcome
from small_corpus import HOLES, SMALL, changed

from harness.judge.cells import all_cells
from harness.judge.conclusion import conclude, is_as_expected
from harness.judge.controls import is_final
from harness.model.attempt_end import AttemptEnd, End
from harness.model.verdict import Axes, Effect, Verdict
from harness.report.text import explain
from harness.results import counts as of_lines
from harness.results.result_line import line_of
from harness.scenarios import Hole

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.judge.result import Result
    from harness.model.cell import Cell, Outcome


def counts(results: Iterable[Result]) -> dict[str, int]:
    return of_lines.counts(map(line_of, results))


def exit_status(results: Iterable[Result]) -> int:
    return of_lines.exit_status(map(line_of, results))


def test_as_expected_is_ok_everywhere() -> None:
    outcomes = as_expected()
    results = [conclude(SMALL, one, outcomes) for one in all_cells(SMALL)]
    assert all(result.ok for result in results)
    assert exit_status(results) == 0
    assert counts(results) == {
        "cells": 28,
        "expected": 28,
        "unexpected": 0,
        "errors": 0,
        "known_holes": 2,
    }
    assert tuple(result.cell.id for result in results if result.hole) == HOLES


def test_a_cell_that_lost_is_unexpected() -> None:
    result = conclude(
        SMALL, ISOLATED, as_expected(isolated__proc_mem_write=outcome(Verdict.TAMPERED, "chain"))
    )
    assert (result.verdict, result.ok, result.detail) == (Verdict.TAMPERED, False, "chain")
    assert exit_status([result]) == 1


@pytest.mark.parametrize("won", [Verdict.HELD, Verdict.DISRUPTED, Verdict.ERROR])
def test_a_control_that_did_not_win_with_its_verdict_makes_an_error(won: Verdict) -> None:
    outcomes = as_expected(baseline__proc_mem_write=outcome(won, "why not"))
    result = conclude(SMALL, ISOLATED, outcomes)
    assert result.verdict is Verdict.ERROR
    assert not result.ok
    assert f"control baseline did not win: {won}, not tampered: why not" in result.detail
    assert "this cell gave held" in result.detail
    assert (result.control, result.control_verdict) == ("baseline", won)
    assert conclude(SMALL, cell("kthread", "ptrace_seize"), outcomes).ok, (
        "another scenario is untouched"
    )


def test_a_cell_is_as_expected_by_itself_whatever_its_control_gave() -> None:
    outcomes = as_expected(baseline__proc_mem_write=outcome(Verdict.HELD))
    assert not conclude(SMALL, ISOLATED, outcomes).ok
    assert is_as_expected(SMALL, ISOLATED, outcomes[ISOLATED])
    assert not is_as_expected(SMALL, CONTROL, outcomes[CONTROL])


@pytest.mark.parametrize(
    "found",
    [
        outcome(Verdict.TAMPERED, "chain"),
        outcome(Verdict.ERROR, "lost"),
        replace(outcome(Verdict.HELD), witness={}),
        outcome(Verdict.HELD, axes=Axes(integrity=True)),
    ],
    ids=["lost", "error", "no witness", "contradiction"],
)
def test_a_cell_is_not_as_expected_by_itself(found: Outcome) -> None:
    assert not is_as_expected(SMALL, ISOLATED, found)


def test_half_an_attack_is_not_as_expected_by_itself() -> None:
    won = outcome(Verdict.TAMPERED)
    assert is_as_expected(SMALL, CONTROL, won)
    assert not is_as_expected(SMALL, CONTROL, replace(won, carried_out=False))


def test_the_control_itself_is_reported_as_it_came_out() -> None:
    outcomes = as_expected(baseline__proc_mem_write=outcome(Verdict.HELD))
    result = conclude(SMALL, CONTROL, outcomes)
    assert (result.verdict, result.ok) == (Verdict.HELD, False)


@pytest.mark.parametrize(
    ("reference", "gave"),
    [("nothing", Verdict.DISRUPTED), ("host_tamper", Verdict.HELD), ("nothing", Verdict.ERROR)],
)
def test_a_wrong_reference_makes_its_variant_errors(reference: str, gave: Verdict) -> None:
    outcomes = as_expected(**{f"isolated__{reference}": outcome(gave, "odd")})
    for one in all_cells(SMALL):
        result = conclude(SMALL, one, outcomes)
        assert (result.verdict is Verdict.ERROR) == (one.variant == "isolated")
        if one.variant == "isolated" and one.scenario != reference:
            assert f"reference {reference} of isolated gave {gave}" in result.detail


def test_a_wrong_reference_of_the_control_spoils_what_rests_on_it() -> None:
    outcomes = as_expected(baseline__nothing=outcome(Verdict.DISRUPTED, "died"))
    result = conclude(SMALL, cell("kthread", "ptrace_seize"), outcomes)
    assert result.verdict is Verdict.ERROR
    assert "reference nothing of baseline gave disrupted, not held: died" in result.detail


@pytest.mark.parametrize(
    "missing", [CONTROL, cell("isolated", "nothing"), cell("baseline", "host_tamper")]
)
def test_nothing_is_final_or_held_without_what_it_rests_on(missing: Cell) -> None:
    outcomes = as_expected()
    assert is_final(SMALL, ISOLATED, outcomes)
    del outcomes[missing]
    assert not is_final(SMALL, ISOLATED, outcomes)
    result = conclude(SMALL, ISOLATED, outcomes)
    assert result.verdict is Verdict.ERROR
    assert f"{missing.id} was not run" in result.detail


@pytest.mark.parametrize(
    ("doubtful", "why"),
    [
        (outcome(Verdict.NOT_APPLICABLE, " "), "n/a without a reason"),
        (replace(outcome(Verdict.HELD), axes=Axes(integrity=True)), "its axes say tampered"),
        (replace(outcome(Verdict.TAMPERED), axes=Axes()), "its axes say held"),
        (replace(outcome(Verdict.HELD), witness={}), "without a witness"),
        (outcome(Verdict.ERROR), "an error without a reason"),
    ],
)
def test_an_outcome_that_contradicts_itself_is_an_error(doubtful: Outcome, why: str) -> None:
    result = conclude(SMALL, ISOLATED, as_expected(isolated__proc_mem_write=doubtful))
    assert result.verdict is Verdict.ERROR
    assert result.axes is None
    assert why in result.detail


def test_not_applicable_stands_with_its_reason_but_was_not_expected() -> None:
    given = outcome(Verdict.NOT_APPLICABLE, "no io_uring on this line")
    for result in (
        conclude(SMALL, ISOLATED, as_expected(isolated__proc_mem_write=given)),
        conclude(
            SMALL,
            ISOLATED,
            as_expected(isolated__proc_mem_write=given, baseline__proc_mem_write=given),
        ),
    ):
        assert (result.verdict, result.ok, result.axes) == (Verdict.NOT_APPLICABLE, False, None)
        assert exit_status([result]) == 1


def test_an_n_a_for_what_the_kernel_lacks_is_no_failure() -> None:
    why = "this kernel lacks CONFIG_DAMON_SYSFS"
    lacking = replace(outcome(Verdict.NOT_APPLICABLE, why), attempt_end=AttemptEnd(End.LACKING))
    given = as_expected(isolated__dev_mem=lacking, baseline__dev_mem=lacking)
    result = conclude(SMALL, cell("isolated", "dev_mem"), given)
    assert (result.verdict, result.ok) == (Verdict.NOT_APPLICABLE, True)
    assert result.hole is None, "nor a hole of ours"


def test_an_n_a_that_was_declared_is_as_expected() -> None:
    result = conclude(SMALL, cell("kthread", "escape_openat"), as_expected())
    assert (result.verdict, result.ok, result.axes) == (Verdict.NOT_APPLICABLE, True, None)
    assert exit_status([result]) == 0


def test_a_hole_that_holds_now_is_not_ok() -> None:
    outcomes = as_expected(isolated__dev_mem=outcome(Verdict.HELD))
    result = conclude(SMALL, cell("isolated", "dev_mem"), outcomes)
    assert (result.verdict, result.ok) == (Verdict.HELD, False)
    assert counts([result])["known_holes"] == 0


def test_errors_beat_the_unexpected_and_no_result_is_an_error() -> None:
    outcomes = as_expected(
        isolated__proc_mem_write=outcome(Verdict.TAMPERED),
        isolated__ptrace_seize=outcome(Verdict.ERROR, "lost"),
    )
    results = [conclude(SMALL, one, outcomes) for one in all_cells(SMALL)]
    assert exit_status(results) == 2
    assert exit_status([]) == 2
    assert counts(results) == {
        "cells": 28,
        "expected": 26,
        "unexpected": 1,
        "errors": 1,
        "known_holes": 2,
    }


# Half an attack

HALF = replace(
    outcome(Verdict.TAMPERED, "pipes"),
    carried_out=False,
    attempt_end=AttemptEnd(End.BROKEN, "EIO at pwrite64"),
)
HOLE = cell("isolated", "dev_mem")


def test_a_control_that_won_by_half_an_attack_has_not_won() -> None:
    result = conclude(SMALL, ISOLATED, as_expected(baseline__proc_mem_write=HALF))
    assert result.verdict is Verdict.ERROR
    assert "control baseline did not win: the attack was not completed" in result.detail
    assert "EIO at pwrite64" in result.detail


def test_a_cell_that_was_attacked_less_often_than_its_control_proves_nothing() -> None:
    twice = replace(expected_outcome(SMALL, CONTROL), rounds=2)
    result = conclude(SMALL, ISOLATED, as_expected(baseline__proc_mem_write=twice))
    assert result.verdict is Verdict.ERROR
    assert result.detail.startswith("control baseline won in round 2, and this cell had 1; this")
    held = replace(expected_outcome(SMALL, ISOLATED), rounds=2)
    lost = outcome(Verdict.TAMPERED)
    for cell_outcome, verdict in ((held, Verdict.HELD), (lost, Verdict.TAMPERED)):
        outcomes = as_expected(
            baseline__proc_mem_write=twice, isolated__proc_mem_write=cell_outcome
        )
        assert conclude(SMALL, ISOLATED, outcomes).verdict is verdict


@pytest.mark.parametrize("one", [CONTROL, HOLE])
def test_half_an_attack_confirms_no_loss(one: Cell) -> None:
    result = conclude(SMALL, one, as_expected() | {one: HALF})
    assert (result.verdict, result.ok) == (Verdict.TAMPERED, False)
    assert exit_status([result]) == 1
    assert "tampered as expected, but the attack was not completed" in explain(result)


def test_half_an_attack_that_was_not_to_win_is_not_as_expected() -> None:
    result = conclude(SMALL, ISOLATED, as_expected(isolated__proc_mem_write=HALF))
    assert (result.verdict, result.ok) == (Verdict.TAMPERED, False)
    assert explain(result) == "tampered, expected held: pipes"


def test_a_hole_that_lets_half_an_attack_through_is_confirmed_by_that() -> None:
    partly = {"isolated": Hole(Verdict.TAMPERED, "as far as the pipe", partly=True)}
    corpus = changed(SMALL, "dev_mem", holes=partly)
    assert conclude(corpus, HOLE, as_expected(corpus, isolated__dev_mem=HALF)).ok


def test_all_that_an_attack_does_must_be_lost() -> None:
    both = {"effect": Effect.AVAILABILITY, "also": (Effect.INTEGRITY,)}
    corpus = changed(SMALL, "proc_mem_write", **both)
    assert conclude(corpus, ISOLATED, as_expected(corpus)).ok
    worse_alone = as_expected(corpus, baseline__proc_mem_write=outcome(Verdict.TAMPERED))
    result = conclude(corpus, ISOLATED, worse_alone)
    assert result.verdict is Verdict.ERROR
    assert "not all effects were shown; missing: availability" in result.detail


def test_an_attack_wins_by_what_it_says_it_makes_wrong() -> None:
    foot_in_the_door = replace(outcome(Verdict.TAMPERED), wrongs=("traced",))
    result = conclude(SMALL, ISOLATED, as_expected(baseline__proc_mem_write=foot_in_the_door))
    assert result.verdict is Verdict.ERROR
    assert "not all effects were shown; missing: wrong reply" in result.detail


@pytest.mark.parametrize(("refusable", "unhooked"), [((), True), (("security_task_kill",), False)])
def test_a_hook_that_cannot_refuse_is_none(refusable: tuple[str, ...], *, unhooked: bool) -> None:
    seen = ("security_task_to_inode", *refusable)
    won = replace(outcome(Verdict.TAMPERED), hooks=seen, refusable=refusable)
    assert conclude(SMALL, CONTROL, as_expected(baseline__proc_mem_write=won)).unhooked is unhooked


# A step

GAINED = replace(outcome(Verdict.HELD), gained=("its address",))
NO_MORE_THAN_PID = Hole(Verdict.HELD, "the number of a process is no secret")


STEP = changed(SMALL, "proc_mem_write", effect=Effect.STEP)
"""With an attack that gains what others need, and that `isolated` stops."""


def test_a_step_holds_and_gains_on_its_control_alone() -> None:
    outcomes = as_expected(STEP)
    assert outcomes[CONTROL].gained
    assert not outcomes[ISOLATED].gained
    for one in (CONTROL, ISOLATED):
        result = conclude(STEP, one, outcomes)
        assert (result.verdict, result.ok) == (Verdict.HELD, True)


def test_a_step_that_gains_nothing_on_its_control_proves_nothing() -> None:
    outcomes = as_expected(STEP, baseline__proc_mem_write=outcome(Verdict.HELD))
    result = conclude(STEP, ISOLATED, outcomes)
    assert result.verdict is Verdict.ERROR
    assert (
        "control baseline did not win: not all effects were shown; missing: anything it could"
        in result.detail
    )
    assert "held as expected, but nothing was gained" in explain(conclude(STEP, CONTROL, outcomes))


def test_a_step_that_was_half_done_on_its_control_proves_nothing() -> None:
    half = replace(GAINED, carried_out=False, attempt_end=AttemptEnd(End.BROKEN, "EIO at read"))
    result = conclude(STEP, ISOLATED, as_expected(STEP, baseline__proc_mem_write=half))
    assert result.verdict is Verdict.ERROR
    assert "was not completed" in result.detail


def test_a_step_that_gains_where_it_should_not_is_unexpected() -> None:
    result = conclude(STEP, ISOLATED, as_expected(STEP, isolated__proc_mem_write=GAINED))
    assert (result.verdict, result.ok) == (Verdict.HELD, False)
    assert "held as expected, but it gained its address" in explain(result)
    assert exit_status([result]) == 1


def test_a_hole_for_a_step_is_one_that_gains() -> None:
    holed = changed(STEP, "proc_mem_write", holes={"isolated": NO_MORE_THAN_PID})
    assert conclude(holed, ISOLATED, as_expected(holed)).ok
    closed = conclude(
        holed, ISOLATED, as_expected(holed, isolated__proc_mem_write=outcome(Verdict.HELD))
    )
    assert not closed.ok, "the hole is no longer there"


def test_a_step_meets_a_hook_or_none_like_any_attack() -> None:
    assert conclude(STEP, CONTROL, as_expected(STEP, baseline__proc_mem_write=GAINED)).unhooked
