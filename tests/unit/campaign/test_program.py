# SPDX-License-Identifier: GPL-2.0-only
"""Programs keep their references when they are cut, joined and put in another order."""

from __future__ import annotations

import msgspec
import pytest

from harness.campaign.novelty import features
from harness.campaign.program import (
    Call,
    Data,
    Made,
    Number,
    Pid,
    Program,
    Room,
    Text,
    contains,
    joined,
    ordered,
    ways,
)

OPEN = Call("openat", (Number(-100), Text("/proc/{handler}/mem"), Number(2)))
WRITE = Call("write", (Made(0), Data(b"x" * 8, ((4, 4, Pid("self")),)), Number(8)))
KILL = Call("kill", (Pid("handler"), Number(9)))
PROGRAM = Program((OPEN, WRITE, KILL))


def test_a_reference_moves_with_the_call_that_made_it() -> None:
    assert joined([Program((KILL,)), PROGRAM]).calls[2].args[0] == Made(1)
    assert ordered(PROGRAM, [2, 0, 1]).calls[2].args[0] == Made(1)


def test_a_reference_to_a_call_that_is_gone_becomes_no_descriptor() -> None:
    assert ordered(PROGRAM, [1]).calls[0].args[0] == Number(-1)
    assert ordered(PROGRAM, [1, 0]).calls[0].args[0] == Number(-1)


def test_like_calls_have_one_way() -> None:
    assert ways(PROGRAM) == (
        "openat(/proc/{handler}/mem)",
        "write(made data,self)",
        "kill(handler)",
    )
    assert ways(Program((Call("kill", (Pid("handler"), Number(1))),))) == ("kill(handler)",)


def test_a_pattern_is_found_in_order() -> None:
    assert contains(ways(PROGRAM), ["openat(/proc/{handler}/mem)", "kill(handler)"])
    assert not contains(ways(PROGRAM), ["kill(handler)", "openat(/proc/{handler}/mem)"])


def test_joined_programs_stay_as_long_as_any_of_them() -> None:
    repeating = Program((KILL,), stays=True, repeats=True)
    made = joined([PROGRAM, repeating])
    assert (made.stays, made.repeats) == (True, True)
    assert ordered(repeating, [0, 0]) == Program((KILL, KILL), stays=True, repeats=True)
    assert not joined([PROGRAM, PROGRAM]).stays


def test_a_program_survives_the_disk() -> None:
    program = Program((*PROGRAM.calls, Call("read", (Made(0), Room(8), Number(8)))), stays=True)
    assert msgspec.json.decode(msgspec.json.encode(program), type=Program) == program


def test_a_program_that_names_an_unknown_process_is_refused() -> None:
    """An older campaign named processes that programs no longer name."""
    stored = msgspec.json.encode(PROGRAM).replace(b'"whose":"handler"', b'"whose":"parent"')
    with pytest.raises(msgspec.ValidationError, match="programs name no process 'parent'"):
        msgspec.json.decode(stored, type=Program)


def test_only_calls_near_the_handler_do_something_new() -> None:
    far = Call("getpgid", (Pid("init"),))
    program = Program((OPEN, WRITE, far, KILL))
    assert features(program, (3, -9, 0, -1)) == {"openat done", "write EBADF", "kill EPERM"}
