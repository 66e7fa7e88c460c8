# SPDX-License-Identifier: GPL-2.0-only
"""A batch that lost gives the smallest program, made again and compared with a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec import structs
from scripted_judge import KILL, ScriptedJudge

from harness.campaign.investigate import Investigator
from harness.campaign.judged import RELOAD, Judged
from harness.campaign.program import Call, Number, Pid, Program
from harness.model.verdict import Verdict
from harness.witness.cell_verdict import no_phase

if TYPE_CHECKING:
    from collections.abc import Sequence

IDLE = Call("getpid")
BATCH = [Program((IDLE,)) for _ in range(10)]
BATCH[6] = Program((IDLE, KILL, IDLE), stays=True)


def of(judge: ScriptedJudge) -> Investigator:
    return Investigator(judge, "isolated", "kthread")


def test_the_smallest_program_is_made_again_after_three_boots() -> None:
    judge = ScriptedJudge()
    (finding,), lost_once = of(judge).findings(BATCH, [])
    assert finding.program == Program((KILL,))
    assert (finding.confirmed, finding.reference_verdict, finding.counts) == (3, Verdict.HELD, True)
    assert [fresh for _, programs, fresh in judge.batches if fresh] == [True] * 3
    assert lost_once == 0


def test_what_a_thread_loses_as_well_does_not_count() -> None:
    (finding,), _ = of(ScriptedJudge(variants=("isolated", "kthread"))).findings(BATCH, [])
    assert finding.is_sure
    assert not finding.counts


def test_a_loss_that_does_not_come_again_is_no_finding() -> None:
    judge = ScriptedJudge(loses=lambda _: False)
    assert of(judge).findings(BATCH, []) == ([], 1)


def test_a_loss_that_comes_again_on_some_machines_only_does_not_count() -> None:
    judge = ScriptedJudge()
    boots = 0

    def loses(programs: Sequence[Program]) -> bool:
        nonlocal boots
        boots += judge.batches[-1][2]
        return kills_but(programs, boots in (2, 5, 8) and judge.batches[-1][2])

    judge.loses = loses
    (finding,), _ = of(judge).findings(BATCH, [])
    assert finding.confirmed == 2
    assert not finding.counts


def test_a_program_that_loses_on_some_machines_is_tried_as_one_that_stays() -> None:
    judge = ScriptedJudge()

    def loses(programs: Sequence[Program]) -> bool:
        boots = sum(fresh for _, _, fresh in judge.batches)
        return kills_but(programs, boots == 2 and not any(one.stays for one in programs))

    judge.loses = loses
    (finding,), _ = of(judge).findings(BATCH, [])
    assert finding.program == Program((KILL,), stays=True)
    assert finding.counts


def test_what_needs_a_repetition_is_tried_as_a_program_that_repeats() -> None:
    judge = ScriptedJudge()

    def loses(programs: Sequence[Program]) -> bool:
        is_fresh = judge.batches[-1][2]
        return kills_but(programs, is_fresh and not any(one.repeats for one in programs))

    judge.loses = loses
    (finding,), _ = of(judge).findings(BATCH, [])
    assert finding.program == Program((KILL,), stays=True, repeats=True)
    assert finding.counts


def kills_but(programs: Sequence[Program], spared: bool) -> bool:
    return not spared and any(KILL in program.calls for program in programs)


def test_known_programs_are_left_out_first() -> None:
    judge = ScriptedJudge()
    assert of(judge).findings(BATCH, [("kill(handler)",)]) == ([], 0)
    ((_, rest, _),) = judge.batches
    assert len(rest) == 9


def test_a_second_way_in_of_the_same_batch_is_found_too() -> None:
    other = Call("tkill", (Pid("handler"), Number(9)))

    def loses(programs: Sequence[Program]) -> bool:
        return any({KILL, other} & set(program.calls) for program in programs)

    batch = [*BATCH, Program((other,))]
    found, _ = of(ScriptedJudge(loses=loses)).findings(batch, [])
    assert [finding.program for finding in found] == [Program((KILL,)), Program((other,))]


def test_two_programs_that_lose_together_become_one() -> None:
    sets = Call("setns")

    def loses(programs: Sequence[Program]) -> bool:
        calls = [call for program in programs for call in program.calls]
        return sets in calls and KILL in calls[calls.index(sets) :]

    batch = [Program((IDLE, sets)), *BATCH]
    (finding,), _ = of(ScriptedJudge(loses=loses)).findings(batch, [])
    assert finding.program.calls == (sets, KILL)


def test_one_finding_that_counts_is_enough_if_no_more_are_wanted() -> None:
    other = Call("tkill", (Pid("handler"), Number(9)))

    def loses(programs: Sequence[Program]) -> bool:
        return any({KILL, other} & set(program.calls) for program in programs)

    batch = [*BATCH, Program((other,))]
    investigator = Investigator(ScriptedJudge(loses=loses), "isolated", "kthread", enough=1)
    found, _ = investigator.findings(batch, [])
    assert [finding.program for finding in found] == [Program((KILL,))]


@pytest.mark.parametrize(("errors", "counts"), [(0, True), (2, True), (3, False)])
def test_a_finding_counts_only_if_the_reference_gives_a_conclusion(
    errors: int, counts: bool
) -> None:
    left = errors

    def lost_at_first(judged: Judged, variant: str, _fresh: bool) -> Judged:
        nonlocal left
        if variant != "kthread" or not left:
            return judged
        left -= 1
        return Judged(Verdict.ERROR, "the machine was lost")

    (finding,), _ = of(ScriptedJudge(then=lost_at_first)).findings(BATCH, [])
    assert finding.is_sure
    assert finding.counts is counts


@pytest.mark.parametrize(
    ("early", "reference", "counts"),
    [
        ({"availability"}, set(), True),
        ({"availability"}, {"availability"}, False),
        (set(), set(), False),
        ({"availability"}, None, False),
    ],
    ids=["spared", "lost as well", "lost at the reload", "not known"],
)
def test_without_a_reload_on_the_reference_the_time_before_counts(
    early: set[str], reference: set[str] | None, counts: bool
) -> None:
    def without_reload(judged: Judged, variant: str, _fresh: bool) -> Judged:
        if variant != "kthread":
            return structs.replace(judged, early=frozenset(early))
        before = None if reference is None else frozenset(reference)
        return Judged(Verdict.ERROR, no_phase(RELOAD), early=before)

    (finding,), _ = of(ScriptedJudge(then=without_reload)).findings(BATCH, [])
    assert finding.is_sure
    assert finding.counts is counts


def test_only_what_each_machine_lost_is_lost() -> None:
    boots = 0

    def first_loses_more(judged: Judged, _variant: str, fresh: bool) -> Judged:
        nonlocal boots
        boots += fresh
        more = {"integrity"} if fresh and boots == 1 else set()
        return structs.replace(judged, lost=judged.lost | more)

    (finding,), _ = of(ScriptedJudge(then=first_loses_more)).findings(BATCH, [])
    assert finding.lost == ("availability",)
