# SPDX-License-Identifier: GPL-2.0-only
"""ptrace by the attacker on a payload that replies like a handler."""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING

import pytest
from local_agent import local_attacker, programs

from harness.attacker import Attacker, GuestError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def attacker() -> Iterator[Attacker]:
    with local_attacker() as attacker:
        yield attacker


class Echo:
    """A running false_handler and the attacker's ends of its pipes."""

    def __init__(self, attacker: Attacker) -> None:
        request_out, self.request = _pipe(attacker)
        self.reply, reply_in = _pipe(attacker)
        self.pid = attacker.spawn(
            str(programs() / "false_handler"), stdin=request_out, stdout=reply_in
        )
        attacker.close(request_out)
        attacker.close(reply_in)


def _pipe(attacker: Attacker) -> tuple[int, int]:
    ends = bytearray(8)
    attacker.syscall("pipe2", ends, os.O_CLOEXEC)
    return int.from_bytes(ends[:4], "little"), int.from_bytes(ends[4:], "little")


def test_a_reply_is_rewritten_on_its_way_out(attacker: Attacker) -> None:
    handler = Echo(attacker)
    with attacker.seize(handler.pid) as tracee:
        attacker.write(handler.request, b"request")
        tracee.run_to_entry("write")
        reply = tracee.registers()["rsi"]
        assert tracee.peek(reply, 56) == b"\xff" * 56
        tracee.poke(reply, b"forged reply")
    answer = attacker.read(handler.reply, 128)
    assert answer == b"forged reply" + b"\xff" * 44

    attacker.write(handler.request, b"request")
    assert len(attacker.read(handler.reply, 128)) == 56, "it runs on, untraced"


def test_registers_are_set(attacker: Attacker) -> None:
    handler = Echo(attacker)
    with attacker.seize(handler.pid) as tracee:
        attacker.write(handler.request, b"request")
        tracee.run_to_entry("write")
        tracee.set_registers(tracee.registers() | {"rdx": 3})
    assert attacker.read(handler.reply, 128) == b"\xff" * 3


def test_another_call_is_made_before_the_one_that_was_entered(attacker: Attacker) -> None:
    handler = Echo(attacker)
    before = attacker.listdir(f"/proc/{handler.pid}/fd")
    with attacker.seize(handler.pid) as tracee:
        attacker.write(handler.request, b"request")
        tracee.run_to_entry()
        opened = tracee.call_before("dup", rdi=1)
        tracee.run_to_entry()
        assert tracee.call_before("dup", rdi=99) == -errno.EBADF
    assert len(attacker.read(handler.reply, 128)) == 56
    after = attacker.listdir(f"/proc/{handler.pid}/fd")
    assert set(after) - set(before) == {str(opened)}


def test_a_tracee_that_ends_is_esrch(attacker: Attacker) -> None:
    handler = Echo(attacker)
    with pytest.raises(GuestError) as refused, attacker.seize(handler.pid) as tracee:
        attacker.close(handler.request)
        tracee.run_to_entry("write")
    assert (refused.value.errno, refused.value.call) == (errno.ESRCH, "ptrace")


def test_a_signal_on_the_way_is_delivered(attacker: Attacker) -> None:
    handler = Echo(attacker)
    with pytest.raises(GuestError) as refused, attacker.seize(handler.pid) as tracee:
        attacker.kill(handler.pid, signal.SIGTERM)
        tracee.run_to_entry("write")
    assert refused.value.errno == errno.ESRCH


def test_a_missing_process_is_esrch_at_ptrace(attacker: Attacker) -> None:
    with pytest.raises(GuestError) as refused, attacker.seize(2**22 + 1):
        pass
    assert (refused.value.errno, refused.value.call) == (errno.ESRCH, "ptrace")
