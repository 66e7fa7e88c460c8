# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness` as a process, over a cache that a test may damage, and what it leaves behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.host.paths import cache_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.lab.lab import Lab

SECONDS = 900
PATIENT = """
import sys
from harness.cli.main import main
from harness.run import pool

pool._ABANDONED = 600.0
sys.exit(main())
"""
"""The command line, which waits for its killed cells: to clean up may take a busy host longer than
a user waits."""
LEFTOVERS = ("machines/*/", "states/*/.new-*", "guests/.new-*", "images/.new-*", "boots/.new-*")


@dataclass(frozen=True)
class Place:
    """A folder with results and a cache whose `states` and `machines` are its own.

    The other parts of the cache are the real one's until a test asks for an `own` copy.
    """

    folder: Path

    @property
    def cache(self) -> Path:
        """The cache's folder."""
        return self.folder / "cache" / "umd-harness"

    @property
    def results(self) -> Path:
        """Where runs are kept."""
        return self.folder / "results"

    def own(self, part: str, name: str) -> Path:
        """Put a copy of `<part>/<name>` in the place of that part, and return it."""
        real = (self.cache / part).resolve()
        (self.cache / part).unlink()
        (self.cache / part).mkdir()
        return shutil.copytree(real / name, self.cache / part / name)

    def start(
        self, *arguments: str, program: str = "", **environment: str
    ) -> subprocess.Popen[str]:
        """Start the command line, or a program of the test's own that calls it."""
        command = [sys.executable, *(("-c", program) if program else ("-m", "harness.cli"))]
        return subprocess.Popen(
            [*command, *arguments],
            env={**os.environ, "XDG_CACHE_HOME": str(self.cache.parent), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def start_run(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start a run of the reference cells on baseline, or of what the arguments select."""
        selected = arguments or ("-k", "nothing")
        where = ("--variant", "baseline", "--results", str(self.results))
        return self.start("run", *selected, *where, **environment)

    def run(self, *arguments: str, **environment: str) -> Ended:
        """Start such a run and wait for its end."""
        return ended(self.start_run(*arguments, **environment))

    def left(self) -> list[Path]:
        """What is left behind: unfinished work, and processes that run in the cache.

        Another process may be at work in the parts that are the real cache's.
        """
        processes = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                where = (process / "cwd").readlink()
            except OSError:  # it has ended, or is the kernel's
                continue
            if where.is_relative_to(self.cache.resolve()):
                processes.append(process)
        own = (name for name in LEFTOVERS if not (self.cache / name.partition("/")[0]).is_symlink())
        return [*(path for name in own for path in self.cache.glob(name)), *processes]

    def kept(self) -> tuple[dict[str, Any], dict[str, str]]:
        """What the only run left on disk: run.json, and the verdict of each scenario."""
        (run,) = (path for path in self.results.iterdir() if not path.is_symlink())
        lines = (run / "results.jsonl").read_text().splitlines() if _has_lines(run) else []
        verdicts = {line["scenario"]: line["verdict"] for line in map(json.loads, lines)}
        return json.loads((run / "run.json").read_text()), verdicts


def _has_lines(run: Path) -> bool:
    return (run / "results.jsonl").exists()


@dataclass(frozen=True)
class Ended:
    """How the process ended."""

    status: int
    out: str
    errors: str

    def succeeded(self) -> None:
        """It did; else show what it said."""
        assert self.status == 0, self.out + self.errors

    def told(self) -> str:
        """The one line that says what happened and what to do."""
        assert self.status == 2, (self.out, self.errors)
        lines = self.errors.splitlines()
        assert len(lines) == 1, self.errors
        assert lines[0].startswith("umd-harness: ")
        assert "; " in lines[0], "it does not say what to do"
        return lines[0]


def ended(process: subprocess.Popen[str], *, seconds: float = SECONDS) -> Ended:
    """Wait for the end of the process; it does not outlive the wait."""
    with process:
        try:
            out, errors = process.communicate(timeout=seconds)
        finally:
            process.kill()
    return Ended(process.returncode, out, errors)


def wait_for(what: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Poll until `what` is true, while the process runs."""
    deadline = time.monotonic() + SECONDS
    while not what():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def make_place(folder: Path) -> Place:
    """Make a place in an empty folder."""
    place = Place(folder)
    place.cache.mkdir(parents=True)
    for entry in cache_dir().iterdir():
        if entry.is_dir() and entry.name not in ("states", "machines"):
            (place.cache / entry.name).symlink_to(entry)
        elif entry.is_file() and not entry.name.startswith("."):  # what another process writes
            shutil.copyfile(entry, place.cache / entry.name)
    (place.cache / "states").mkdir()
    (place.cache / "machines").mkdir()
    return place


@pytest.fixture
def place(lab: Lab, tmp_path: Path) -> Place:
    """A place without a saved state; the images are there."""
    assert lab.image.bzimage.is_file()
    return make_place(tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """From a size in KiB to a disk of that size, mounted; a second call resizes it."""
    where = tmp_path / "disk"
    where.mkdir()

    def mount(size: int) -> Path:
        resize = ["remount"] if where.is_mount() else []
        options = ",".join([*resize, f"size={size}k"])
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", where],
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode:
            pytest.skip(f"only root can mount a small disk: {done.stderr.strip()}")
        return where

    yield mount
    if where.is_mount():
        subprocess.run(["umount", "--lazy", where], check=True, timeout=60)
