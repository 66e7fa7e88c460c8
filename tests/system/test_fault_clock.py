# SPDX-License-Identifier: GPL-2.0-only
"""Clocks of host and guest that jump: no wait and no verdict depends on the time of day."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cells import Cells, cells, overwrite, touch
from harness_process import Place, place
from miniature_kernel import make_miniature

import harness
from harness.kernel.build.build import kernel_image
from harness.kernel.build.plan import BuildRequest
from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

__all__ = ["cells", "place"]

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

JUMPING = r"""
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The time of day jumps a day back or forth each time that it is asked for. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
	static int calls;
	int error = syscall(SYS_clock_gettime, clock, now);

	if (!error && clock == CLOCK_REALTIME)
		now->tv_sec += (++calls % 3 - 1) * 86400;
	return error;
}
"""


@pytest.fixture
def jumping_clock(tmp_path: Path) -> str:
    """What LD_PRELOAD needs for the clock to jump; it does so."""
    source, library = tmp_path / "jumping.c", tmp_path / "jumping.so"
    source.write_text(JUMPING)
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-O2", "-o", library, source], check=True, timeout=60
    )
    said = subprocess.run(
        [sys.executable, "-c", "import time; print(*(time.time() for _ in range(3)))"],
        env={**os.environ, "LD_PRELOAD": str(library)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.split()
    assert max(map(float, said)) - min(map(float, said)) > 86400
    return str(library)


def test_a_host_whose_clock_jumps(place: Place, jumping_clock: str) -> None:
    start = time.monotonic()
    done = place.run("-k", "nothing or proc_mem_write", LD_PRELOAD=jumping_clock)
    seconds = time.monotonic() - start
    done.succeeded()
    header, verdicts = place.kept()
    assert verdicts == {"nothing": "held", "host_tamper": "tampered", "proc_mem_write": "tampered"}
    assert 0 < header["seconds"] <= seconds
    assert not place.left()


@pytest.mark.parametrize("date", ["1970-01-02 00:00:00", "2037-12-31 00:00:00"])
def test_a_guest_whose_clock_jumps(cells: Cells, date: str) -> None:
    def jump(attacker: Attacker, handler: Handler) -> None:
        touch(attacker, handler)
        child = attacker.spawn("/bin/busybox", "date", "-s", date)
        assert attacker.waitpid(child)[1] == 0

    def jump_and_overwrite(attacker: Attacker, handler: Handler) -> None:
        jump(attacker, handler)
        overwrite(attacker, handler)

    outcome = cells.run(jump)
    assert outcome.verdict is Verdict.HELD, outcome.detail
    outcome = cells.run(jump_and_overwrite)
    assert outcome.verdict is Verdict.TAMPERED, outcome.detail
    assert not cells.left()


def test_no_wait_asks_for_the_time_of_day() -> None:
    """The time of day names runs and is written into results.

    It also finds files that are younger than now, and entries of the cache that are long unused.
    """
    asked = set()
    package = Path(harness.__file__).parent
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in (
                *("time.time", "time.time_ns", "time.localtime", "time.gmtime"),
                *("datetime.now", "datetime.utcnow", "time.CLOCK_REALTIME"),
            ):
                asked.add(str(path.relative_to(package)))
    assert asked == {
        "cache/store.py",
        "results/run_directory.py",
        "results/run_name.py",
        "kernel/source/tree.py",
        "kernel/source/checkout.py",
    }


def test_a_build_after_the_clock_went_back(tmp_path: Path) -> None:
    """make compares times: it would take the changed source for older than its object."""
    mini = make_miniature(tmp_path)

    def build() -> bytes:
        image = kernel_image(BuildRequest("6.12"), progress=said.append, workspace=mini.workspace)
        return image.bzimage.read_bytes()

    said: list[str] = []
    first = build()
    later = time.time() + 86400
    for path in (mini.built / "objects").rglob("*"):
        os.utime(path, (later, later))
    (mini.patches / "overlay/kernel/library.c").write_text("int library(void) { return 7; }\n")
    said.clear()
    assert build() != first
    assert "building from nothing" in said[0]
    said.clear()
    (mini.patches / "overlay/kernel/library.c").write_text("int library(void) { return 8; }\n")
    build()
    assert not [text for text in said if "from nothing" in text]
