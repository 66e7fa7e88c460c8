# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's monitor (QMP), with a deadline on every command."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, TypeVar

from qemu.qmp import ExecuteError, QMPClient, QMPError, Runstate

from harness.errors import VmLost

if TYPE_CHECKING:
    import socket
    from collections.abc import Coroutine

SECONDS = 10.0
LAST_SECONDS = 2.0

T = TypeVar("T")

# What it logs of a connection that broke is raised as well; and machines do get lost.
logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)

_GONE = (QMPError, OSError, EOFError, TimeoutError)


class Monitor:
    """A connection to QEMU's monitor, in an event loop of its own. Not for two threads at once."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        # Unlike a bare loop, it ends what is under way when Ctrl-C comes.
        self._runner = asyncio.Runner()
        self._client = QMPClient()

    def _run(self, what: Coroutine[Any, Any, T], seconds: float) -> T:
        try:
            return self._runner.run(_deadline(what, seconds))
        except ExecuteError as error:
            raise VmLost(f"QEMU refused a command: {error}") from error
        except TimeoutError as error:
            raise VmLost(f"QEMU's monitor gave no answer within {seconds:g} s") from error
        except _GONE as error:
            raise VmLost(f"QEMU's monitor is gone: {error!r}") from error

    def connect(self) -> None:
        """Shake hands. Raises VmLost if QEMU does not."""
        self._run(self._client.connect(self._stream), SECONDS)

    def execute(self, command: str, **arguments: object) -> Any:
        """Run a command. Raises VmLost if QEMU refuses it, is gone, or takes SECONDS."""
        return self._run(self._client.execute(command, arguments or None), SECONDS)

    def shutdown_reason(self) -> str:
        """Why a QEMU that has ended did so (QMP's ShutdownCause); empty if it did not say."""
        with suppress(VmLost):
            self._run(self._hear_out(), LAST_SECONDS)
        for event in self._client.events.clear():
            data = event.get("data")
            if event["event"] == "SHUTDOWN" and isinstance(data, dict):
                return str(data.get("reason", ""))
        return ""

    async def _hear_out(self) -> None:
        while self._client.runstate is Runstate.RUNNING:
            await self._client.runstate_changed()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(VmLost):
            self._run(self._client.disconnect(), LAST_SECONDS)
        self._runner.close()


async def _deadline(what: Coroutine[Any, Any, T], seconds: float) -> T:
    async with asyncio.timeout(seconds):
        return await what
