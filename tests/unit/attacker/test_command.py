# SPDX-License-Identifier: GPL-2.0-only
"""A command of the agent and its output, with this host as the guest."""

from __future__ import annotations

import os
import signal

import pytest
from local_agent import local_attacker

from harness.attacker import SetupFailed
from harness.attacker.agent import command as commands
from harness.attacker.agent.command import run_command


def run(*command: str, **env: str) -> tuple[int, bytes, bytes]:
    """Run a command; return its wait status and what it printed."""
    out, err = bytearray(), bytearray()
    with local_attacker() as attacker:
        status = run_command(attacker, command, env=env, out=out.extend, err=err.extend)
    return status, bytes(out), bytes(err)


def test_output_and_status_are_the_commands() -> None:
    status, out, err = run("/bin/sh", "-c", 'echo "$0$WORD"; echo no >&2; exit 7', "a", WORD="b")
    assert (os.waitstatus_to_exitcode(status), out, err) == (7, b"ab\n", b"no\n")


def test_a_signal_is_told_as_such() -> None:
    assert os.waitstatus_to_exitcode(run("/bin/sh", "-c", "kill -9 $$")[0]) == -9


def test_much_output_is_whole() -> None:
    status, out, _ = run("/usr/bin/head", "-c", "3000000", "/dev/zero")
    assert (status, out) == (0, bytes(3_000_000))


def test_its_input_is_empty() -> None:
    assert run("/bin/cat") == (0, b"", b"")


def test_what_goes_on_in_the_background_is_not_waited_for() -> None:
    status, out, _ = run("/bin/sh", "-c", "sleep 1000 & echo $!")
    os.kill(int(out), signal.SIGKILL)  # it still has the pipes
    assert status == 0


def test_a_pipe_that_is_never_empty_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one into which a process in the background writes without end."""
    monkeypatch.setattr(commands, "_pass_on", lambda *_: True)
    assert run("/bin/sh", "-c", "exit 3")[0] == 3 << 8


def test_closed_output_is_no_end() -> None:
    assert run("/bin/sh", "-c", "exec >/dev/null 2>&1; exit 3") == (3 << 8, b"", b"")


def test_a_command_that_is_not_there_is_told() -> None:
    with pytest.raises(SetupFailed, match="ENOENT at spawn"):
        run("/absent")
