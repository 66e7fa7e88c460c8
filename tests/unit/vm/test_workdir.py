# SPDX-License-Identifier: GPL-2.0-only
"""Work directories: private, gone afterwards, and those of the dead swept up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.host.paths import cache_dir
from harness.vm.demotion import QEMU_USER
from harness.vm.workdir import sweep, work_directory

if TYPE_CHECKING:
    from collections.abc import Callable

HOLD = """
import sys
from harness.vm.workdir import work_directory
with work_directory() as path:
    print(path, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return cache_dir() / "machines"


def test_it_is_qemus_alone_and_gone_afterwards(machines: Path) -> None:
    with work_directory() as path, work_directory() as other:
        assert path != other
        assert path.parent == machines
        status = path.stat()
        assert status.st_mode & 0o777 == 0o700
        assert status.st_uid == (QEMU_USER if os.geteuid() == 0 else os.geteuid())
        (path / "ram").write_bytes(b"x")
    assert not list(machines.glob("*/"))


def test_it_is_gone_after_an_error(machines: Path) -> None:
    with pytest.raises(KeyboardInterrupt), work_directory():
        raise KeyboardInterrupt
    assert not list(machines.glob("*/"))


def start_another() -> None:
    with work_directory():
        pass


@pytest.mark.parametrize("sweep_up", [sweep, start_another])
def test_a_dead_runs_directory_is_swept_and_a_living_ones_is_not(
    sweep_up: Callable[[], None],
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        try:
            assert other.stdout is not None
            theirs = Path(other.stdout.readline().decode().strip())
            (theirs / "ram").write_bytes(b"x")
            with work_directory():
                sweep()
                assert theirs.is_dir()
            other.send_signal(signal.SIGKILL)
            other.wait(60)
            assert theirs.is_dir()
            sweep_up()
            assert not theirs.exists()
        finally:
            other.kill()


@pytest.mark.parametrize("lock", ["missing", "link", "directory"])
def test_a_lock_that_qemu_meddled_with_saves_nothing(
    machines: Path, tmp_path: Path, lock: str
) -> None:
    with work_directory():
        pass
    left = machines / "left"
    left.mkdir()
    target = tmp_path / "target"
    target.write_text("ours")
    if lock == "link":
        (left / "lock").symlink_to(target)
    elif lock == "directory":
        (left / "lock").mkdir()
    sweep()
    assert not left.exists()
    assert target.read_text() == "ours"
