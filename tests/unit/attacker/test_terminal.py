# SPDX-License-Identifier: GPL-2.0-only
"""A shell on an agent's pseudoterminal, with this host as the guest."""

from __future__ import annotations

import time

import pytest
from local_agent import local_attacker

from harness.attacker import SetupFailed
from harness.attacker.agent.terminal import Terminal

SECONDS = 60.0


def printed_by(terminal: Terminal, *, until: bytes | None) -> bytes:
    """Return the output until `until` is printed, or until the end."""
    seen, deadline = b"", time.monotonic() + SECONDS
    while until is None or until not in seen:
        assert time.monotonic() < deadline, seen
        came = terminal.read()
        if came is None:
            assert until is None, seen
            break
        seen += came
    return seen


def test_a_program_has_a_terminal_of_its_own_until_it_leaves() -> None:
    with local_attacker() as attacker:
        terminal = Terminal(attacker, ("/usr/bin/setsid", "-c", "/bin/sh"), kind="vt52")
        terminal.resize(101, 33)
        terminal.write(b"sh -c 'stty size; echo $TERM; exec sleep 1000'\n")
        printed_by(terminal, until=b"33 101\r\nvt52\r\n")
        terminal.write(b"\x03")
        printed_by(terminal, until=b"umd# ")
        terminal.write(b"sleep 9 & exit\n")
        printed_by(terminal, until=None)
        assert terminal.read() is None


def test_what_nobody_reads_is_typed_as_far_as_there_is_room() -> None:
    with local_attacker() as attacker:
        terminal = Terminal(attacker, ("/bin/sleep", "1000"), kind="vt52")
        counts = [terminal.write(b"x" * 1000 + b"\n") for _ in range(100)]
        assert counts[0] > 0
        assert counts[-1] == 0


def test_a_command_that_is_not_there_is_told() -> None:
    with local_attacker() as attacker, pytest.raises(SetupFailed, match="ENOENT at spawn"):
        Terminal(attacker, ("/absent",), kind="vt52")
