# SPDX-License-Identifier: GPL-2.0-only
"""A phase: when it begins, how long it has lasted, and what is left of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hand_clock import HandClock

from harness.host import pace as pacing
from harness.host.pace import Pace, clock, duration
from harness.report import phase as phases
from harness.report.phase import Phase

if TYPE_CHECKING:
    from pathlib import Path

UNPACKING = "source: unpacking linux-source-6.12.tar.xz"


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    time = HandClock()
    monkeypatch.setattr(phases, "time", time)
    monkeypatch.setattr(pacing, "time", time)
    return time


def test_a_count_belongs_to_its_phase(time: HandClock) -> None:
    phase = Phase(None)
    assert phase.tell("kernel: 1 of about 2000 objects, CC a.o")
    time.now += 65
    assert not phase.tell("kernel: 900 of about 2000 objects, about 2 min left, CC b.o")
    assert str(phase).startswith("[1:05] kernel: 900 of about 2000 objects, about 2 min left")
    assert not phase.tell("kernel: 2001 objects, CC c.o"), "without a total, it is the same phase"
    assert phase.tell("kernel: collecting the image")
    assert str(phase) == "[0:00] kernel: collecting the image"
    assert phase.tell(f"{UNPACKING}: 0 of 1486 MiB")
    assert not phase.tell(f"{UNPACKING}: 900 of 1486 MiB, about 9 s left")
    assert phase.tell("source: unpacking linux-source-7.2.tar.xz"), "a name is no count"
    assert phase.tell("campaign: 32 programs, 6.2 a second, about 14 min left")
    assert not phase.tell("campaign: 64 programs, 6.2 a second, about 13 min left")


def test_the_time_of_the_last_run_is_the_estimate(time: HandClock, tmp_path: Path) -> None:
    note = tmp_path / "phases.json"
    first = Phase(note)
    first.tell(UNPACKING)
    time.now += 10
    assert str(first) == f"[0:10] {UNPACKING}"
    time.now += 30
    first.tell("source: applying 13 commits")
    second = Phase(note)
    second.tell(UNPACKING)
    time.now += 10
    assert str(second) == f"[0:10] {UNPACKING}, about 30 s left"
    time.now += 50
    assert str(second) == f"[1:00] {UNPACKING}, last time 40 s"


def test_a_phase_that_did_not_end_or_was_short_or_counts_is_not_noted(
    time: HandClock, tmp_path: Path
) -> None:
    note = tmp_path / "phases.json"
    phase = Phase(note)
    for text, seconds in (("kernel: 1 of 9 objects", 60), ("short", 2), (UNPACKING, 60)):
        phase.tell(text)
        time.now += seconds
    assert not note.exists()
    phase.end()
    assert note.read_text().split() == ["{", *f'"{UNPACKING}":'.split(), "60.0", "}"]
    assert str(phase) == ""


def test_a_damaged_note_and_one_that_cannot_be_written_are_no_error(
    time: HandClock, tmp_path: Path
) -> None:
    (tmp_path / "note").write_text("[")
    phase = Phase(tmp_path / "note" / "below")
    phase.tell(UNPACKING)
    time.now += 60
    phase.end()
    assert str(Phase(tmp_path / "note")) == ""


def test_the_pace_tells_what_is_left_of_a_total_that_does_not_change(time: HandClock) -> None:
    pace = Pace(100)
    time.now += 40
    assert pace.at(0) == "0 of 100"
    assert pace.at(4) == "4 of 100", "too little to tell"
    assert pace.at(20) == "20 of 100, about 3 min left"
    time.now += 100
    assert pace.at(70) == "70 of 100, about 60 s left"
    assert pace.at(100) == "100 of 100"
    assert Pace(0).at(0) == "0 of 0"


def test_times_for_people() -> None:
    assert [duration(seconds) for seconds in (0.4, 89.4, 90, 3599, 3900)] == [
        *("0 s", "89 s", "2 min", "1 h 00 min", "1 h 05 min")
    ]
    assert [clock(seconds) for seconds in (7.9, 765, 3723)] == ["0:07", "12:45", "1:02:03"]
