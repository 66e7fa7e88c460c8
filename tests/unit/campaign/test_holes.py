# SPDX-License-Identifier: GPL-2.0-only
"""Files of known holes are left out where the holes are known, and nowhere else."""

from __future__ import annotations

from harness.campaign.holes import known_ways
from harness.campaign.investigate import without_known
from harness.campaign.program import Call, Made, Number, Program, Text
from harness.scenarios.corpus import SHIPPED


def writing(path: str) -> Program:
    opened = Call("openat", (Number(-100), Text(path), Number(1)))
    return Program((opened, Call("write", (Made(0), Text("0"), Number(1)))))


def test_programs_that_open_a_file_of_a_known_hole_are_left_out() -> None:
    known = known_ways(SHIPPED, "isolated")
    others = [writing("/proc/{worker}/oom_score_adj"), writing("/proc/{handler}/timerslack_ns")]
    holes = [writing("/proc/{handler}/oom_score_adj"), writing("/proc/sys/kernel/threads-max")]
    assert without_known([*holes, *others], known) == others


def test_where_nothing_is_a_known_hole_all_files_are_searched() -> None:
    assert known_ways(SHIPPED, "baseline") == ()
