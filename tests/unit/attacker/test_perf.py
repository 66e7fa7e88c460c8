# SPDX-License-Identifier: GPL-2.0-only
"""The samples in perf's ring buffer, which a guest may have forged."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.attacker.tools.perf import User, mappings_in, stacks_in, users_in

USER, KERNEL = (1 << 64) - 512, (1 << 64) - 128


def record(body: bytes, kind: int = 9) -> bytes:
    return struct.pack("<IHH", kind, 0, 8 + len(body)) + body


def sample(stack: bytes, *, used: int | None = None) -> bytes:
    size = struct.pack("<Q", len(stack))
    return record(size + stack + struct.pack("<Q", len(stack) if used is None else used))


def sample_of(pid: int, *chain: int, registers: tuple[int, ...] = ()) -> bytes:
    words = (len(chain), *chain, len(registers) and 2, *registers)
    return record(struct.pack(f"<II{len(words)}Q", pid, pid, *words))


def test_a_sample_says_what_runs_in_user_space() -> None:
    records = sample_of(7, KERNEL, 1, USER, 2, 3, registers=(4,)) + sample_of(8, USER, 5)
    assert list(users_in(records, 7)) == [User((2, 3), (4,))]
    assert list(users_in(records, 8)) == [User((5,), ())]


def test_a_kernel_threads_sample_says_nothing_of_user_space() -> None:
    assert list(users_in(sample_of(7, KERNEL, 1), 7)) == [User((), ())]


def test_samples_are_found_among_other_records() -> None:
    records = sample(b"a" * 16) + record(bytes(16), kind=2) + sample(b"b" * 24, used=8)
    assert list(stacks_in(records)) == [b"a" * 16, b"b" * 8]


def test_a_kernel_threads_sample_has_no_stack() -> None:
    assert list(stacks_in(record(bytes(8)))) == [b""]


def test_a_mapping_has_an_owner_and_a_range() -> None:
    mapped = [struct.pack("<IIQQ", pid, pid, 4096 * pid, 8192) for pid in (7, 8)]
    records = b"".join(record(one, kind=kind) for one in mapped for kind in (1, 2))
    assert list(mappings_in(records, 8)) == [range(32768, 40960)]
    assert list(mappings_in(record(mapped[0][:20], kind=1), 7)) == []


@pytest.mark.parametrize(
    "tail",
    [b"", b"\x09", struct.pack("<IHH", 9, 0, 0), struct.pack("<IHH", 9, 0, 4096), b"\xff" * 64],
    ids=["none", "cut header", "no size", "cut record", "noise"],
)
def test_what_is_no_record_ends_the_list(tail: bytes) -> None:
    assert list(stacks_in(sample(b"a" * 8) + tail)) == [b"a" * 8]


def test_a_forged_count_is_no_more_than_the_record() -> None:
    assert list(stacks_in(sample(b"a" * 8, used=1 << 60))) == [b"a" * 8]


@given(st.binary(max_size=256))
def test_forged_records_give_no_more_than_themselves(data: bytes) -> None:
    assert sum(map(len, stacks_in(data))) <= len(data)


@given(st.binary(max_size=256))
def test_a_forged_sample_gives_no_more_words_than_it_has(data: bytes) -> None:
    for pid in (0, 7):
        found = users_in(record(struct.pack("<II", pid, pid) + data), pid)
        assert sum(len(user.chain) + len(user.registers) for user in found) <= len(data) // 8
