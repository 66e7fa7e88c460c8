# SPDX-License-Identifier: GPL-2.0-only
"""Messages to the audit subsystem, and its answers, which a guest may have forged."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.attacker.tools.audit import call_in, daemon, enabled, errno_in, every_call_of

MASK_AT, FIELDS_AT, VALUES_AT, FLAGS_AT = (12 + 256 * n for n in range(4))


def acknowledgement(error: int, kind: int = 2) -> bytes:
    return struct.pack("<IHHIIi", 20, kind, 0, 1, 0, error)


def word(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", data, at)[0])


def test_switching_it_on_sets_the_backlog_and_nothing_else() -> None:
    assert struct.unpack("<11I", enabled(backlog=3)) == (0x11, 1, 0, 0, 0, 3, 0, 0, 0, 0, 0)


def test_becoming_the_daemon_changes_nothing_else() -> None:
    assert struct.unpack("<11I", daemon(49)) == (4, 0, 0, 49, *(0,) * 7)


def test_a_rule_is_about_one_process_and_every_call() -> None:
    rule = every_call_of(77)
    assert len(rule) == 1040  # sizeof(struct audit_rule_data)
    assert rule[MASK_AT:FIELDS_AT] == b"\xff" * 256
    assert word(rule, 8) == 1
    assert (word(rule, FIELDS_AT), word(rule, VALUES_AT), word(rule, FLAGS_AT)) == (0, 77, 1 << 30)


@pytest.mark.parametrize("errno", [0, 1, 22])
def test_an_acknowledgement_has_the_errno(errno: int) -> None:
    assert errno_in(acknowledgement(-errno)) == errno


@pytest.mark.parametrize("message", [b"", acknowledgement(0)[:19], acknowledgement(0, kind=1300)])
def test_what_acknowledges_nothing_is_an_error(message: bytes) -> None:
    with pytest.raises(ValueError, match="acknowledges nothing"):
        errno_in(message)


@given(st.binary(max_size=64))
def test_forged_answers_give_a_number_or_an_error(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(errno_in(data), int)


CALL = b"audit(1.2:3): arch=c000003e syscall=0 success=yes exit=56 a0=0 a1=4020e0 a2=38 a3=ff pid=5"


def record(text: bytes, kind: int = 1300) -> bytes:
    return struct.pack("<IHHII", 16 + len(text), kind, 0, 0, 0) + text


def test_the_record_of_a_call_has_its_arguments() -> None:
    call = call_in(record(CALL))
    assert (call["syscall"], call["exit"], call["pid"]) == (0, 56, 5)
    assert (call["a0"], call["a1"], call["a2"], call["a3"]) == (0, 0x4020E0, 56, 255)


@pytest.mark.parametrize(
    "message",
    [b"", record(CALL, kind=1327), record(b""), record(CALL.replace(b"a1=4", b"a1=z"))],
    ids=["nothing", "another record", "no text", "no number"],
)
def test_what_is_no_record_of_a_call_is_left_out(message: bytes) -> None:
    assert call_in(message) == {}


@given(st.binary(max_size=256))
def test_forged_records_are_a_call_or_none(data: bytes) -> None:
    assert len(call_in(record(data))) in (0, 7)
