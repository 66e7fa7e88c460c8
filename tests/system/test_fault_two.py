# SPDX-License-Identifier: GPL-2.0-only
"""Two harnesses at once on one cache: nothing is made twice, and nobody waits for the dead."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from harness_process import Place, ended, place, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from harness.lab.lab import Lab

__all__ = ["place"]

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

CELLS = ("-k", "nothing or proc_mem_write")
EXPECTED = {"nothing": "held", "host_tamper": "tampered", "proc_mem_write": "tampered"}


def verdicts(run: Path) -> dict[str, str]:
    lines = map(json.loads, (run / "results.jsonl").read_text().splitlines())
    return {line["scenario"]: line["verdict"] for line in lines}


def test_two_runs_from_nothing(place: Place, lab: Lab) -> None:
    """Both make guest image and state if they are not there: one does, the other waits."""
    guest = place.own("guests", lab.guest.key)
    (guest / "initramfs.cpio").unlink()
    both = [place.start_run(*CELLS) for _ in range(2)]
    done = [ended(process) for process in both]
    assert [one.status for one in done] == [0, 0], done
    assert sum("guest image: packing" in one.out for one in done) == 1
    runs = [path for path in place.results.iterdir() if not path.is_symlink()]
    assert [verdicts(run) for run in runs] == [EXPECTED, EXPECTED]
    assert (place.results / "latest").resolve() in runs
    assert len(list((place.cache / "states").glob("*/*/"))) == 1
    assert not place.left()


def test_a_run_takes_over_from_one_that_was_killed(place: Place) -> None:
    """In the middle of making what the other waits for."""
    first = place.start_run(*CELLS)
    wait_for(lambda: list(place.cache.glob("states/*/.new-*")), first)
    second = place.start_run(*CELLS)
    wait_for(lambda: list(place.results.glob("2*/run.json"))[1:], second)
    first.kill()
    ended(first)
    done = ended(second)
    done.succeeded()
    assert not place.left()
