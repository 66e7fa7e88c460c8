# SPDX-License-Identifier: GPL-2.0-only
"""The connection to a Dask cluster: its workers, calls to them, and tasks on them."""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from distributed import Client, Future

_CONNECTING = 15  # seconds


@dataclass(frozen=True)
class Worker:
    """A worker, as the scheduler knows it."""

    address: str
    places: int
    """How many cells of one CPU it runs at a time: its number of threads."""
    is_taking: bool
    """Whether it takes tasks. Dask pauses a worker with little memory, and lets one end its tasks
    before it closes."""

    def __str__(self) -> str:
        """Return it as a user knows it."""
        return self.address


class Cluster:
    """A cluster to which this process is connected. Its methods may be called from any thread."""

    def __init__(self, client: Client, where: str) -> None:
        """Take the client."""
        self._client = client
        self.where = where

    def workers(self) -> list[Worker]:
        """Return all workers. Raises UserError if the scheduler is gone."""
        found = None
        if self._client.status == "running":
            # Not scheduler_info(): the client itself asks now and then for no worker, and that
            # answer may replace this one.
            with suppress(Exception):  # of sockets, of Tornado, of Dask
                ask = self._client.scheduler.identity
                found = self._client.sync(ask, n_workers=-1)["workers"]
        if found is None or self._client.status != "running":
            raise self.gone("the connection is lost")
        return [
            Worker(address, known["nthreads"], known["status"] == "running")
            for address, known in found.items()
        ]

    def places(self) -> int:
        """Return how many cells of one CPU the workers run at a time."""
        return sum(worker.places for worker in self.workers())

    def gone(self, why: str) -> UserError:
        """Return the error for a scheduler that does not answer any more."""
        return UserError(
            f"the scheduler {self.where} is gone: {why}",
            hint="start it again, then `umd-harness run --resume --on` with its address",
        )

    def call(
        self, worker: Worker, function: Callable[..., Coroutine[Any, Any, Any]], *arguments: object
    ) -> Any:
        """Have the worker call a function, and return its result. Raises what Dask raises."""
        return self._client.run(function, *arguments, workers=[worker.address])[worker.address]

    def submit(
        self, worker: Worker, key: str, function: Callable[..., object], *arguments: object
    ) -> Future:
        """Have this worker, and no other, run a function as a task."""
        return self._client.submit(
            function, *arguments, key=key, workers=[worker.address], allow_other_workers=False
        )


@contextmanager
def connected(where: str) -> Iterator[Cluster]:
    """Connect to a scheduler: `tcp://HOST:PORT`, or its scheduler file. Raises UserError."""
    try:
        from distributed import Client
    except ImportError as error:
        raise UserError("`run --on` needs Dask", hint="pip install 'umd-harness[dask]'") from error
    for name in ("distributed", "distributed.client"):  # the run tells what matters, in a line
        logging.getLogger(name).setLevel(logging.CRITICAL)
    address = _address(where)
    try:
        client = Client(address, timeout=_CONNECTING, set_as_default=False, name="umd-harness")
    except Exception as error:  # of sockets, of TLS, of Dask
        raise UserError(
            f"no scheduler answers at {where}: {error}",
            hint="start one with `dask scheduler`, and look at its address",
        ) from error
    with client:
        cluster = Cluster(client, where)
        if not cluster.workers():
            raise UserError(
                f"the scheduler {where} has no workers", hint=f"start some: dask worker {where}"
            )
        yield cluster


def _address(where: str) -> str:
    """Return the address of a scheduler, which may be in a file. Raises UserError."""
    from distributed.comm.addressing import parse_address, parse_host_port
    from distributed.comm.registry import get_backend

    try:
        address = where if "://" in where else json.loads(Path(where).read_bytes())["address"]
        scheme, location = parse_address(address)
        get_backend(scheme)
        parse_host_port(location)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise UserError(
            f"{where} is neither an address nor a scheduler file: {reason}",
            hint="give --on tcp://HOST:PORT, or the file of `dask scheduler --scheduler-file`",
        ) from error
    return str(address)
