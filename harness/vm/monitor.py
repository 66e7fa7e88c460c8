# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's monitor (QMP), with a deadline on every command."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from qemu.qmp import ExecuteError, QMPClient, QMPError

from harness.errors import VmLost

if TYPE_CHECKING:
    import socket
    from collections.abc import Coroutine

    from qemu.qmp import Message

SECONDS = 10.0

T = TypeVar("T")

_GONE = (QMPError, OSError, EOFError, TimeoutError, asyncio.TimeoutError)


class Monitor:
    """A connection to QEMU's monitor, in an event loop of its own. Not for two threads at once."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._loop = asyncio.new_event_loop()
        self._client = QMPClient()

    def _run(self, what: Coroutine[Any, Any, T]) -> T:
        try:
            return self._loop.run_until_complete(asyncio.wait_for(what, SECONDS))
        except ExecuteError as error:
            raise VmLost(f"QEMU refused a command: {error}") from error
        except _GONE as error:
            raise VmLost(f"QEMU's monitor is gone: {error!r}") from error

    def connect(self) -> None:
        """Shake hands. Raises VmLost if QEMU does not."""
        self._run(self._client.connect(self._stream))

    def execute(self, command: str, **arguments: object) -> Any:
        """Run a command. Raises VmLost if QEMU refuses it, is gone, or takes SECONDS."""
        return self._run(self._client.execute(command, arguments or None))

    def events(self) -> list[Message]:
        """The events since the last call."""
        return self._client.events.clear()

    def close(self) -> None:
        """Let go of the connection, which may be broken already."""
        with suppress(*_GONE):
            self._loop.run_until_complete(self._client.disconnect())
        self._loop.close()
