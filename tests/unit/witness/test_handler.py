# SPDX-License-Identifier: GPL-2.0-only
"""The handler's start time in the kernel's format, and the arrival of an attack."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest
from tallies import BEFORE

from harness.witness.handler import HEARTBEAT, SILENCE_NS, Handler, start_time
from harness.witness.recollection import Recollection
from harness.witness.tally import Record, Seen

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.witness.tally import Tally

NUMBERS = " ".join(map(str, range(4, 53))).encode()


@pytest.mark.parametrize("name", [b"umd_witness_umh", b"a b", b") S 1 2 (", b""])
def test_it_is_field_22_whatever_the_name(name: bytes) -> None:
    assert start_time(b"51 (" + name + b") S " + NUMBERS + b"\n") == 22


def test_it_is_what_the_kernel_writes() -> None:
    started = start_time(Path("/proc/self/stat").read_bytes()) / os.sysconf("SC_CLK_TCK")
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    assert 0 < started <= uptime + 1


@pytest.mark.parametrize(
    ("anywhere", "on_handler", "elsewhere", "arrived"),
    [
        (False, 0, 0, False),
        (False, 0, 1, False),
        (False, 1, 0, True),
        (True, 0, 0, False),
        (True, 0, 1, True),
        (True, 1, 0, True),
    ],
)
def test_what_another_was_the_object_of_is_no_arrival_at_the_handler(
    anywhere: bool, on_handler: int, elsewhere: int, arrived: bool
) -> None:
    witness = Mock()
    Handler(Mock(), Mock(), Mock(), witness, anywhere=anywhere).wait_for_arrival()
    (has_arrived,) = witness.wait.call_args.args
    seen = Seen(0, on_handler, elsewhere, 0, 0)
    assert has_arrived(replace(BEFORE, named=(seen, *BEFORE.named[1:]))) is arrived


def test_silence_is_as_long_as_the_guest_says() -> None:
    """However long the host took for its looks: it stops the guest's clock meanwhile."""
    witness = Mock()
    Handler(Mock(), Mock(), Mock(), witness).wait_for_silence()
    (is_silent,) = witness.wait.call_args.args
    beats = SILENCE_NS // HEARTBEAT
    answered = replace(BEFORE.count, right=BEFORE.count.right + 1)
    assert not is_silent(replace(BEFORE, heartbeat=100))
    assert not is_silent(replace(BEFORE, heartbeat=100 + beats))
    assert not is_silent(replace(BEFORE, heartbeat=101 + beats, count=answered))
    assert not is_silent(replace(BEFORE, heartbeat=101 + 2 * beats, count=answered))
    assert is_silent(replace(BEFORE, heartbeat=102 + 2 * beats, count=answered))


def test_a_return_to_an_earlier_state_contradicts_nothing() -> None:
    witness = Mock(recollection=Recollection())
    witness.recollection.note(replace(BEFORE, heartbeat=100))
    Handler(Mock(), Mock(), Mock(), witness).wait_for_rewind()
    witness.recollection.note(replace(BEFORE, heartbeat=50))
    assert witness.recollection.contradictions == []


class Scripted:
    """A witness that reads one tally after the other, and stays at the last."""

    def __init__(self, *tallies: Tally) -> None:
        self.tallies = list(tallies)
        self.reads = 0

    def read(self) -> Tally:
        self.reads += 1
        return self.tallies.pop(0) if len(self.tallies) > 1 else self.tallies[0]

    def wait(self, done: Callable[[Tally], bool], **_: object) -> Tally:
        while not done(tally := self.read()):
            pass
        return tally


def test_the_first_request_that_ends_ends_the_wait_for_silence() -> None:
    """Otherwise the whole time has to pass: only the lapse of time shows that nothing came."""
    ended = Record(number=1, generation=1, error=0, wrong=False, nanoseconds=1)
    times = [replace(BEFORE, heartbeat=100 + number) for number in range(30)]
    witness = Scripted(*times)
    handler = Handler(Mock(), Mock(), Mock(), witness)  # type: ignore[arg-type]
    assert handler.is_silent_for(20 * HEARTBEAT)
    assert witness.reads > 20
    answered = replace(times[5], records=(*BEFORE.records, ended))
    witness = Scripted(*times[:5], answered)
    handler = Handler(Mock(), Mock(), Mock(), witness)  # type: ignore[arg-type]
    assert not handler.is_silent_for(20 * HEARTBEAT)
    assert not witness.tallies[1:]
