# SPDX-License-Identifier: GPL-2.0-only
"""Programs that the handler runs itself: what they are made of, and when a search makes them."""

from __future__ import annotations

from random import Random

import pytest
from scripted_judge import ScriptedJudge

from harness.attacker.agent.syscalls import NUMBERS
from harness.campaign.call_types import CallType, Parameter
from harness.campaign.generate import Generator
from harness.campaign.inside import Inside, InsideCall, inside_call
from harness.campaign.program import Call, Number, Pid, Program, ways
from harness.campaign.search import Learnt, Limits, Programs, Search

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


@pytest.mark.parametrize(("inside", "batches"), [(INSIDE, [7, 15]), (None, [])])
def test_each_eighth_batch_is_made_by_the_handler(
    inside: Inside | None, batches: list[int]
) -> None:
    judge = ScriptedJudge(loses=lambda _: False)
    search = Search(
        judge,
        Programs(Generator(TYPES), "s", 8, inside=inside),
        variant="isolated",
        reference="kthread",
        ended=[],
        told=lambda _: None,
        found=lambda _, __: None,
    )
    search.run(Limits(60, batches=16), jobs=1, beat=lambda: None)
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
