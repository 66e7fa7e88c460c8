# SPDX-License-Identifier: GPL-2.0-only
"""Limits on the harness itself, such as open files: one line names the limit."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from harness_process import Ended, Place, ended, make_place, place, small_disk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.lab.lab import Lab

__all__ = ["place", "small_disk"]

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

LIMITED = """
import resource, sys
from harness.cli.main import main
resource.setrlimit(resource.{limit}, ({value}, {value}))
sys.exit(main())
"""


@pytest.fixture(scope="module")
def warm(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place whose state is there."""
    assert lab.image.bzimage.is_file()
    place = make_place(tmp_path_factory.mktemp("warm"))
    place.run().succeeded()
    return place


def run_limited(place: Place, limit: str, value: int) -> Ended:
    """The two reference cells, one at a time, within a limit."""
    shutil.rmtree(place.results)
    reference = ("run", "-k", "nothing", "--variant", "baseline", "--jobs", "1")
    program = LIMITED.format(limit=limit, value=value)
    return ended(place.start(*reference, "--results", str(place.results), program=program))


def test_too_few_open_files_for_a_machine(warm: Place) -> None:
    done = run_limited(warm, "RLIMIT_NOFILE", 12)
    header, verdicts = warm.kept()
    assert (done.status, header["exit_status"]) == (2, 2)
    assert verdicts == {"nothing": "error", "host_tamper": "error"}
    said = "Too many open files; raise the limit of open files (ulimit -n)"
    assert f"error: the machine cannot be started: {said}" in done.out
    assert not warm.left()


def test_files_that_may_not_be_large_enough_for_the_results(warm: Place) -> None:
    """The results are printed, and those that could be kept can be read."""
    done = run_limited(warm, "RLIMIT_FSIZE", 2048)
    assert "some results could not be written" in done.told()
    assert "File too large" in done.told()
    assert "2 cells: 2 as expected" in done.out
    assert not warm.left()


def test_an_output_that_is_closed() -> None:
    command = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-m", "harness.cli", "list"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    told = Ended(done.returncode, done.stdout, done.stderr).told()
    assert told.endswith("its output is closed; send it to /dev/null instead")


@pytest.mark.parametrize("where", ["/proc/nowhere", "/dev/null"])
def test_a_cache_that_cannot_be(place: Place, where: str) -> None:
    told = place.run(XDG_CACHE_HOME=where).told()
    assert f"the cache cannot be made at {where}/umd-harness: " in told
    assert "set XDG_CACHE_HOME" in told


def test_a_cache_that_cannot_be_written(place: Place, small_disk: Callable[[int], Path]) -> None:
    disk = small_disk(1024)
    shutil.copytree(place.cache, disk / "umd-harness", symlinks=True)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True, timeout=60)
    told = place.run(XDG_CACHE_HOME=str(disk)).told()
    assert "Read-only file system; make it yours to write, or set XDG_CACHE_HOME" in told
    assert not place.left()
