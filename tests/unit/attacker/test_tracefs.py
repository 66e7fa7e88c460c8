# SPDX-License-Identifier: GPL-2.0-only
"""The trace that the attacker reads, which a guest may have forged."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.attacker.tools.tracefs import details, fetch, numbers

TRACE = b"""\
# tracer: nop
#              | |         |   |||||     |         |
# a comment with : user: in it
 umd_witness_umh-45      [000] .....     1.5: user: (ksys_write+0x0/0xc0) s0=0x1f s8=0x0
 umd_witness_umh-45      [000] .....     1.6: sys_enter: NR 0 (0, 403160, 38, 0, 0, 0)
 umd_witness_umh-45      [000] .....     1.7: user: (ksys_write+0x0/0xc0) s0=(fault) s8=0x2
"""


def test_only_the_events_of_the_name_are_found() -> None:
    assert list(details(TRACE, "sys_enter")) == ["NR 0 (0, 403160, 38, 0, 0, 0)"]
    assert len(list(details(TRACE, "user"))) == 2
    assert not list(details(TRACE, "use"))


def test_only_the_events_of_the_task_are_found() -> None:
    assert len(list(details(TRACE, "user", pid=45))) == 2
    assert not list(details(TRACE, "user", pid=4))
    assert not list(details(TRACE, "user", pid=5))


def test_what_faulted_is_no_number() -> None:
    first, second = details(TRACE, "user")
    assert numbers(first) == {"s0": 0x1F, "s8": 0}
    assert numbers(second) == {"s8": 2}


def test_memory_is_fetched_word_by_word() -> None:
    assert fetch("+{}($arg2)", 16) == "w0=+0($arg2):x64 w8=+8($arg2):x64"


@given(st.binary(max_size=256))
def test_a_forged_trace_breaks_nothing(trace: bytes) -> None:
    for said in details(trace, "user"):
        assert all(value < 1 << 64 for value in numbers(said).values())
