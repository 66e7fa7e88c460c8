# SPDX-License-Identifier: GPL-2.0-only
"""Programs from programs: spliced, with another argument, another target, another order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from harness.campaign.program import (
    CALLS_MAX,
    WHOSE,
    Argument,
    Call,
    Data,
    Pid,
    Program,
    Text,
    joined,
    ordered,
    with_argument,
    with_calls,
)
from harness.campaign.resources import PIDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from harness.campaign.generate import Generator

_TARGETS = tuple(dict.fromkeys(PIDS))
_PLACES = tuple(f"{{{whose}}}" for whose in WHOSE)


def mutated(generator: Generator, random: Random, kept: Sequence[Program]) -> Program:
    """Return a program made of one or two of those that are kept. There must be one."""
    program = random.choice(kept)
    for _ in range(random.choice((1, 1, 2, 3))):
        program = _once(generator, random, program, kept)
    return program


def _once(
    generator: Generator, random: Random, program: Program, kept: Sequence[Program]
) -> Program:
    places = list(range(len(program.calls)))
    match random.randrange(7):
        case 0:
            program = joined((program, random.choice(kept)))
        case 1 | 2:
            program = _with_other_argument(generator, random, program)
        case 3:
            program = _at_another(random, program)
        case 4:
            random.shuffle(places)
            program = ordered(program, places)
        case 5:
            program = ordered(program, [*places, random.choice(places)])
        case _:
            calls = list(program.calls)
            generator.add(random, calls)
            stays = random.random() < 0.5
            program = Program(tuple(calls), stays, stays and random.random() < 0.5)
    return with_calls(program, program.calls[:CALLS_MAX])


def _with_other_argument(generator: Generator, random: Random, program: Program) -> Program:
    at = random.randrange(len(program.calls))
    call = program.calls[at]
    if not call.args:
        return program
    place = random.randrange(len(call.args))
    return with_argument(program, at, place, generator.other(random, call, place))


def _at_another(random: Random, program: Program) -> Program:
    """Return the program aimed at another process, wherever it names one."""
    to = random.choice(_TARGETS)
    calls = tuple(
        Call(call.name, tuple(_aimed(argument, to) for argument in call.args))
        for call in program.calls
    )
    return with_calls(program, calls)


def _aimed(argument: Argument, to: str) -> Argument:
    match argument:
        case Pid(_):
            return Pid(to)
        case Text(text):
            for place in _PLACES:
                text = text.replace(place, f"{{{to}}}")
            return Text(text)
        case Data(_, fields, _):
            aimed = tuple((at, width, _aimed(field, to)) for at, width, field in fields)
            return msgspec.structs.replace(argument, fields=aimed)
    return argument
