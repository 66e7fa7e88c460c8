# SPDX-License-Identifier: GPL-2.0-only
"""Child processes: ended as a group however the block ends, and blind to the caller's shell."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from gone_process import gone

from harness.host.commands import clean_environment, output_of, process_group
from harness.host.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

FAMILY = "sleep 300 & trap '' TERM; echo $!; wait; sleep 300"
"""A shell that ignores SIGTERM, with a child."""


def test_interrupt_ends_the_whole_group(tmp_path: Path) -> None:
    pids: list[int] = []

    def start_and_interrupt() -> None:
        with process_group(["sh", "-c", "sleep 300 & echo $!; wait"], cwd=tmp_path) as process:
            assert process.stdout is not None
            pids.extend((process.pid, int(process.stdout.readline())))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start_and_interrupt()
    assert len(pids) == 2
    assert all(gone(pid) for pid in pids)


def test_a_child_that_ignores_sigterm_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.host.commands._TERM_GRACE", 0.3)
    with process_group(["sh", "-c", FAMILY], cwd=tmp_path) as process:
        assert process.stdout is not None
        sleeper = int(process.stdout.readline())
    assert process.returncode == -signal.SIGKILL
    assert gone(sleeper)


def test_a_killed_harness_leaves_no_child(tmp_path: Path) -> None:
    program = f"""
import pathlib, time
from harness.host.commands import process_group
with process_group(["sleep", "300"], cwd=pathlib.Path({str(tmp_path)!r})) as child:
    name = pathlib.Path(f"/proc/{{child.pid}}/comm")
    while name.read_text() != "sleep\\n":  # setpriv first, which asks to die with its parent
        time.sleep(0.01)
    print(child.pid, flush=True)
    time.sleep(60)
"""
    harness = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    try:
        assert harness.stdout is not None
        child = int(harness.stdout.readline())
    finally:
        harness.kill()
        harness.wait(timeout=60)
        if harness.stdout is not None:
            harness.stdout.close()
    assert gone(child)


def test_the_callers_make_settings_do_not_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ARCH", "MAKEFLAGS", "KCONFIG_CONFIG", "CROSS_COMPILE"):
        monkeypatch.setenv(name, "wrong")
    assert "wrong" not in clean_environment().values()
    assert clean_environment()["PATH"] == os.environ["PATH"]


def test_missing_tool_says_how_to_get_it() -> None:
    with pytest.raises(UserError, match="`no-such-tool`, which is not installed"):
        output_of(["no-such-tool"])


def test_a_tool_beyond_its_deadline() -> None:
    with pytest.raises(UserError, match="did not end within 0 s"):
        output_of(["sleep", "60"], deadline=0.1)
