# SPDX-License-Identifier: GPL-2.0-only
"""A Dask cluster of real processes on this machine: a scheduler, and workers that come and go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent
SECONDS = 300.0

for _wait in ("TCP", "CONNECT"):  # on a busy host, a healthy process may be silent for a minute
    os.environ[f"DASK_DISTRIBUTED__COMM__TIMEOUTS__{_wait}"] = "300s"


@dataclass
class DaskCluster:
    """A scheduler and its workers. Files are in `folder`."""

    folder: Path
    stack: ExitStack
    environment: dict[str, str] = field(default_factory=dict)
    schedulers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _number: int = 0

    @property
    def file(self) -> Path:
        """The scheduler file."""
        return self.folder / "scheduler.json"

    @property
    def address(self) -> str:
        """The scheduler's address."""
        return str(json.loads(self.file.read_text())["address"])

    @property
    def ran(self) -> Path:
        """The file with a line for each cell that has started on a scripted worker."""
        return self.folder / "ran-on-workers"

    @property
    def hold(self) -> Path:
        """While it exists, no cell of a scripted worker ends."""
        return self.folder / "hold"

    def started(self) -> list[tuple[str, int, int]]:
        """The cells that have started: id, pid of the worker, how many ran there."""
        lines = self.ran.read_text().splitlines() if self.ran.exists() else []
        return [(cell, int(pid), int(many)) for cell, pid, many in map(str.split, lines)]

    def schedule(self) -> None:
        """Start a scheduler."""
        process = self._start(
            "scheduler",
            *("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"),
            *("--scheduler-file", str(self.file)),
        )
        wait_until(self._has_address, process)
        self.schedulers.append(process)

    def _has_address(self) -> bool:
        """Whether the scheduler has written its file: Dask opens it first, and then writes."""
        with suppress(FileNotFoundError, json.JSONDecodeError):
            return bool(self.address)
        return False

    def worker(
        self, *, threads: int = 1, nanny: bool = False, scripted: bool = True, **environment: str
    ) -> subprocess.Popen[bytes]:
        """Start a worker, scripted or real. With a nanny, another one follows it if it dies."""
        self._number += 1
        name = f"worker-{self._number}"
        preload = ("--preload", str(HERE / "scripted_worker.py")) if scripted else ()
        return self._start(
            name,
            *("worker", "--scheduler-file", str(self.file), "--host", "127.0.0.1"),
            *("--nthreads", str(threads), "--nanny" if nanny else "--no-nanny", *preload),
            *("--no-dashboard", "--local-directory", str(self.folder)),
            **environment,
        )

    def wait_for_workers(self, number: int) -> None:
        """Wait until so many workers have joined."""
        from distributed import Client

        with Client(self.address, set_as_default=False, timeout=SECONDS) as client:
            client.wait_for_workers(number, timeout=SECONDS)

    def _start(self, name: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        log = self.stack.enter_context((self.folder / f"{name}.log").open("wb"))
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments],
            cwd=self.folder,
            env={
                **os.environ,
                "PYTHONPATH": str(HERE),
                "RAN": str(self.ran),
                "HOLD": str(self.hold),
                **self.environment,
                **environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        self.stack.callback(process.wait, SECONDS)
        self.stack.callback(process.kill)
        return process


@contextmanager
def dask_cluster(folder: Path, **environment: str) -> Iterator[DaskCluster]:
    """A cluster with a scheduler alone. Its processes have this environment, too."""
    folder.mkdir()
    with ExitStack() as stack:
        cluster = DaskCluster(folder, stack, environment)
        cluster.schedule()
        yield cluster


def wait_until(what: Callable[[], object], process: subprocess.Popen[Any]) -> None:
    """Poll until `what` is true, while the process runs."""
    deadline = time.monotonic() + SECONDS
    while not what():
        assert process.poll() is None, "the process has ended"
        assert time.monotonic() < deadline
        time.sleep(0.02)
