# SPDX-License-Identifier: GPL-2.0-only
"""Known marks are left out where they are known, and nowhere else."""

from __future__ import annotations

from harness.campaign.holes import marking_ways
from harness.campaign.investigate import without_known
from harness.campaign.program import Call, Made, Number, Program, Text
from harness.scenarios.corpus import SHIPPED


def writing(path: str) -> Program:
    opened = Call("openat", (Number(-100), Text(path), Number(1)))
    return Program((opened, Call("write", (Made(0), Text("0"), Number(1)))))


def test_programs_that_open_a_marking_file_of_the_handler_are_left_out() -> None:
    known = marking_ways(SHIPPED, "isolated")
    others = [writing("/proc/{parent}/oom_score_adj"), writing("/proc/{handler}/timerslack_ns")]
    marking = [writing("/proc/{handler}/oom_score_adj"), writing("/proc/{handler}/make-it-fail")]
    assert without_known([*marking, *others], known) == others


def test_where_the_mark_is_no_known_hole_it_is_searched() -> None:
    assert marking_ways(SHIPPED, "baseline") == ()
