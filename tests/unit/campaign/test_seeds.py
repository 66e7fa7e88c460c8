# SPDX-License-Identifier: GPL-2.0-only
"""Recorded calls become programs that name no pid and no descriptor."""

from __future__ import annotations

from harness.attacker.agent.attempt import Call as Recorded
from harness.attacker.agent.attempt import shown
from harness.campaign.program import Call, Data, Made, Number, Pid, Program, Text
from harness.campaign.seeds import seed


def recorded(name: str, *args: int | str | bytes, result: int = 0, setup: bool = False) -> Recorded:
    return Recorded(name, tuple(map(shown, args)), result, None, setup, 0.0)


def test_the_handler_and_what_calls_made_are_referred_to() -> None:
    calls = (
        recorded("getpid", setup=True),
        recorded("openat", -100, "/proc/48/mem", 2, result=5),
        recorded("write", 5, b"48\n", 3, result=3),
        recorded("prlimit64", 48, 7, bytes([48, 0, 0, 0, 1, 0, 0, 0]), 0),
        recorded("reboot", 1),
    )
    assert seed([call.as_json() for call in calls], pid=48) == Program(
        (
            Call("openat", (Number(-100), Text("/proc/{handler}/mem"), Number(2))),
            Call("write", (Made(0), Text("{handler}"), Number(3))),
            Call(
                "prlimit64",
                (
                    Pid("handler"),
                    Number(7),
                    Data(bytes([48, 0, 0, 0, 1, 0, 0, 0]), ((0, 4, Pid("handler")),)),
                    Number(0),
                ),
            ),
        )
    )


def test_a_call_with_an_argument_that_was_cut_is_left_out() -> None:
    calls = [recorded("write", 5, b"x" * 100, 100).as_json(), recorded("kill", -48, 9).as_json()]
    assert seed(calls, pid=48) == Program((Call("kill", (Pid("group"), Number(9))),))


def test_a_record_without_calls_gives_no_program() -> None:
    assert seed([{"omitted": 7}], pid=48) is None
