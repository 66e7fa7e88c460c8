# SPDX-License-Identifier: GPL-2.0-only
"""The privileges of a program that is started like QEMU."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from harness.vm.demotion import (
    QEMU_USER,
    confinement,
    demotion,
    give_to_qemu,
    has_landlock,
)
from harness.vm.workdir import work_directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

needs_landlock = pytest.mark.skipif(
    not has_landlock(), reason="the kernel, its configuration or setpriv has no Landlock"
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with work_directory() as path:
        yield path


def run(
    prefix: Sequence[str], *command: str, place: Path, fds: Sequence[int] = ()
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, *command],
        cwd=place,
        pass_fds=fds,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_nothing_is_left_of_root(place: Path) -> None:
    done = run(demotion(), "cat", "/proc/self/status", place=place)
    status = dict(line.split(":\t") for line in done.stdout.splitlines() if ":\t" in line)
    assert status["NoNewPrivs"] == "1"
    if os.geteuid() == 0:
        assert set(status["Uid"].split()) == set(status["Gid"].split()) == {str(QEMU_USER)}
        assert not status["Groups"].strip()
    for capabilities in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[capabilities], 16) == 0


@needs_landlock
@pytest.mark.parametrize(
    "shell",
    [
        "cat /etc/passwd",
        "ls /",
        "cat /proc/1/cmdline",
        "echo x > /tmp/umd-harness-was-here",
        "echo x > ../beside",
        "mkdir inside",
        "ln -s /etc/passwd link",
    ],
)
def test_what_is_outside_is_out_of_reach(place: Path, shell: str) -> None:
    done = run(confinement([]), "sh", "-c", shell, place=place)
    assert done.returncode != 0
    assert "denied" in done.stderr or "cannot create" in done.stderr


@needs_landlock
def test_the_work_directory_is_in_reach(place: Path) -> None:
    done = run(confinement([]), "sh", "-c", "echo x > ram; cat ram; : > ram", place=place)
    assert (done.returncode, done.stdout) == (0, "x\n")


def test_a_descriptors_file_is_read_and_not_written(place: Path, tmp_path: Path) -> None:
    """The cache may be below a home directory of mode 0700."""
    secluded = tmp_path / "home"
    secluded.mkdir(mode=0o700)
    state = secluded / "ram"
    state.write_text("state")
    give_to_qemu(state)
    with state.open() as file:
        fd = file.fileno()
        again = f"/proc/self/fd/{fd}"
        assert run(confinement([fd]), "cat", again, place=place, fds=[fd]).stdout == "state"
        if has_landlock():
            done = run(confinement([fd]), "sh", "-c", f"echo x > {again}", place=place, fds=[fd])
            assert done.returncode != 0
            assert run(confinement([]), "cat", again, place=place, fds=[fd]).returncode != 0
    assert state.read_text() == "state"
