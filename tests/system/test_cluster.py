# SPDX-License-Identifier: GPL-2.0-only
"""`run --on` with real machines: two workers without an image, one of which is killed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from dask_cluster import SECONDS, dask_cluster, wait_until
from harness_process import Ended, ended

if TYPE_CHECKING:
    from pathlib import Path

    from harness.lab.lab import Lab

CELLS = ("-k", "proc_mem_write", "--variant", "isolated")
"""An attack with its control, and the reference cells: six cells on two variants."""


def start(where: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "harness.cli", "run", *CELLS, *arguments],
        cwd=where,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(where: Path, *arguments: str) -> Ended:
    where.mkdir()
    return ended(start(where, *arguments), seconds=SECONDS)


def verdicts(where: Path) -> dict[str, str]:
    lines = (where / "results/latest/results.jsonl").read_text().splitlines()
    found = {
        f"{one['variant']}-{one['scenario']}": one["verdict"] for one in map(json.loads, lines)
    }
    assert len(found) == len(lines) == 6
    return found


def test_a_killed_worker_changes_no_verdict(lab: Lab, tmp_path: Path) -> None:
    assert lab.image.bzimage.is_file()
    run(tmp_path / "plain").succeeded()
    where = tmp_path / "on"
    where.mkdir()
    with dask_cluster(tmp_path / "cluster") as cluster:
        caches = [tmp_path / name for name in ("one", "other")]
        workers = [cluster.worker(scripted=False, XDG_CACHE_HOME=str(one)) for one in caches]
        cluster.wait_for_workers(2)
        process = start(where, "--on", cluster.address)
        # Each of them has a machine, and so a cell.
        machines = [one / "umd-harness/machines" for one in caches]
        wait_until(lambda: all(list(one.glob("*/")) for one in machines), process)
        workers[0].kill()
        done = ended(process, seconds=SECONDS)
        done.succeeded()
        assert "is gone; 1 cell of it goes to others" in done.out
    assert verdicts(where) == verdicts(tmp_path / "plain")
    kernel = lab.image.bzimage.read_bytes()
    for cache in caches:
        assert kernel in [one.read_bytes() for one in cache.glob("umd-harness/received/*/bzImage")]
        assert not (cache / "umd-harness/images").exists()
