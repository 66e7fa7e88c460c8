# SPDX-License-Identifier: GPL-2.0-only
"""The record of an attack is small, and safe to print."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from harness.attacker import Attempt, Call
from harness.attacker.agent.attempt import shown


def call(number: int) -> Call:
    return Call("getpid", (), number, None, setup=False, seconds=0.0)


def test_a_long_attempt_keeps_both_ends_and_counts_the_rest() -> None:
    attempt = Attempt(kept=3)
    for number in range(100):
        attempt.add(call(number))
    assert [kept.result for kept in attempt.calls] == [0, 1, 2, 97, 98, 99]
    assert attempt.as_json()[3] == {"omitted": 94}
    assert (attempt.count, attempt.omitted) == (100, 94)


def test_a_short_one_is_whole() -> None:
    attempt = Attempt(kept=3)
    for number in range(6):
        attempt.add(call(number))
    assert [entry["result"] for entry in attempt.as_json()] == list(range(6))


def test_what_is_no_call_comes_after_the_calls() -> None:
    attempt = Attempt(kept=3)
    attempt.note(program="/tmp/mine", status=None)  # noqa: S108 - a guest's
    attempt.add(call(1))
    assert attempt.as_json()[1:] == [{"program": "/tmp/mine", "status": None}]  # noqa: S108
    assert attempt.count == 1


@given(st.one_of(st.text(), st.binary(max_size=1000), st.integers()))
def test_an_argument_is_shown_short_and_printable(value: str | bytes | int) -> None:
    text = shown(value)
    assert text.isprintable()
    assert json.loads(json.dumps(text)) == text
    if not isinstance(value, int):
        assert len(text) < 80
