# SPDX-License-Identifier: GPL-2.0-only
"""Programs that the handler runs itself: what they are made of, and when a search makes them."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from msgspec import structs
from scripted_judge import ScriptedJudge

from harness.attacker.agent.syscalls import NUMBERS
from harness.campaign.call_types import CallType, Parameter
from harness.campaign.generate import Generator
from harness.campaign.inside import Inside, InsideCall, inside_call
from harness.campaign.investigate import Investigator
from harness.campaign.program import Call, Number, Pid, Program, is_inside, joined, ways
from harness.campaign.search import Learnt, Limits, Programs, Search

if TYPE_CHECKING:
    from harness.campaign.judged import Judged
    from harness.campaign.kept import BatchEnd

TYPES = (CallType("getsid", (Parameter("pid_t", "pid"),)),)
INSIDE = Inside([0x402000])


def test_they_make_calls_in_each_way_and_none_that_filters_may_allow() -> None:
    random = Random(1)  # noqa: S311 - it is to be repeated
    programs = [INSIDE.program(random) for _ in range(200)]
    assert all(program.inside for program in programs)
    calls = [call for program in programs for call in program.calls]
    assert {call.name for call in calls} == {"read", "write", "syscall", "int80", "x32"}
    numbers = {inside_call(call).number for call in calls if call.name == "syscall"}
    assert NUMBERS["close"] not in numbers
    assert len(numbers) > 50


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (Call("write", (Number(1), Number(2), Number(3))), InsideCall(1, (1, 2, 3), False)),
        (Call("syscall", (Number(39), Number(5))), InsideCall(39, (5,), False)),
        (Call("x32", (Number(39),)), InsideCall(0x40000000 + 39, (), False)),
        (Call("int80", (Number(-1), Number(0))), InsideCall(-1, (0,), True)),
    ],
)
def test_what_the_handler_is_told(call: Call, told: InsideCall) -> None:
    assert inside_call(call) == told


def test_the_handler_is_told_numbers_only() -> None:
    with pytest.raises(ValueError, match="a handler makes no call"):
        inside_call(Call("syscall", (Number(62), Pid("handler"))))


def searched(judge: ScriptedJudge, inside: Inside | None, *, batches: int) -> list[BatchEnd]:
    ended: list[BatchEnd] = []
    search = Search(
        judge,
        Programs(Generator(TYPES), "s", 8, inside=inside),
        variant="isolated",
        reference="kthread",
        ended=[],
        told=ended.append,
        found=lambda _, __: None,
    )
    search.run(Limits(60, batches=batches), jobs=1, beat=lambda: None)
    return ended


@pytest.mark.parametrize(("inside", "batches"), [(INSIDE, [7, 15]), (None, [])])
def test_each_eighth_batch_is_made_by_the_handler(
    inside: Inside | None, batches: list[int]
) -> None:
    judge = ScriptedJudge(loses=lambda _: False)
    searched(judge, inside, batches=16)
    made = [{program.inside for program in programs} for _, programs, _ in judge.batches]
    assert [number for number, kinds in enumerate(made) if kinds == {True}] == batches
    assert all(kinds in ({True}, {False}) for kinds in made)


def test_a_way_in_from_inside_is_told_from_the_same_call_outside() -> None:
    program = INSIDE.program(Random(1))  # noqa: S311 - it is to be repeated
    assert all(way.startswith("inside ") for way in ways(program))


def test_an_inside_batch_of_known_ways_is_made_from_outside() -> None:
    known = tuple((f"inside {name}()",) for name in ("read", "write", "syscall", "int80", "x32"))
    programs = Programs(Generator(TYPES), "s", 8, known=known, inside=INSIDE)
    learnt = Learnt(merged=8, marks=[(0, 0, 0)] * 9)
    assert {program.inside for program in programs.batch(7, learnt)} == {False}


def test_seeds_from_inside_are_made_by_the_handler_and_are_not_mutated() -> None:
    seed = Program((Call("syscall", (Number(39),)),), inside=True)
    programs = Programs(Generator(TYPES), "s", 8, (seed,), inside=INSIDE)
    learnt = Learnt(merged=8, marks=[(0, 0, 0)] * 9)
    assert seed in programs.batch(7, learnt)
    assert not any(program.inside for program in programs.batch(6, learnt))


def test_a_batch_of_the_handler_that_held_keeps_no_program() -> None:
    judge = ScriptedJudge(loses=lambda _: False)

    def sees(judged: Judged, _variant: str, _fresh: bool) -> Judged:
        hooks = {"security_file_permission"} if is_inside(judge.batches[-1][1]) else set()
        return structs.replace(judged, hooks=frozenset(hooks))

    judge.then = sees
    last = searched(judge, INSIDE, batches=8)[-1]
    assert is_inside(judge.batches[-1][1])
    assert last.kept == ()


def test_a_loss_on_some_machines_stays_one_of_the_handler() -> None:
    program = Program((Call("syscall", (Number(0),)),), inside=True)
    judge = ScriptedJudge()
    # One boot holds, and later boots lose. A program that stays would be confirmed more often.
    judge.loses = lambda _: sum(fresh for _, _, fresh in judge.batches) != 2
    (finding,), _ = Investigator(judge, "isolated", "kthread").findings([program], [])
    assert (finding.program, finding.confirmed) == (program, 2)


def test_joined_programs_of_the_handler_are_one_of_the_handler() -> None:
    program = INSIDE.program(Random(1))  # noqa: S311 - it is to be repeated
    assert joined([program, program]).inside
