# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's monitor (QMP), with a deadline for every command."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, TypeVar

from qemu.qmp import EventListener, ExecuteError, QMPClient, QMPError, Runstate

from harness.host.errors import VmLost

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine

SECONDS = 10.0
LAST_SECONDS = 2.0

T = TypeVar("T")

# It logs broken connections, which are expected and also raise an error.
logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)

_GONE = (QMPError, OSError, EOFError, TimeoutError)


class Monitor:
    """A connection to QEMU's monitor, open in its `with` block. One thread at a time may use it.

    Its event loop runs in its own thread, so that Ctrl-C interrupts the thread that waits for an
    answer, and not the loop. Its methods raise VmLost if QEMU refuses the command, has ended, or
    does not answer within `SECONDS`.
    """

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._client = QMPClient()
        self._sleep = EventListener(("SUSPEND", "WAKEUP"))
        self._client.register_listener(self._sleep)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="monitor", daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()

    def _run(self, what: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> T:
        answer: Future[T] = Future()
        self._loop.call_soon_threadsafe(self._begin, what, seconds, answer)
        try:
            return answer.result(seconds + LAST_SECONDS)
        except ExecuteError as error:
            raise VmLost(f"QEMU refused a command: {error}") from error
        except TimeoutError as error:
            raise VmLost(f"QEMU's monitor gave no answer within {seconds:g} s") from error
        except _GONE as error:
            raise VmLost(f"QEMU's monitor is gone: {error!r}") from error

    def _begin(
        self, what: Callable[[], Coroutine[Any, Any, T]], seconds: float, answer: Future[T]
    ) -> None:
        task = self._loop.create_task(_answer(what, seconds, answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def connect(self) -> None:
        """Negotiate the QMP connection."""
        self._run(lambda: self._client.connect(self._stream), SECONDS)

    def execute(self, command: str, **arguments: object) -> Any:
        """Run a QMP command; return its answer."""
        return self._run(lambda: self._client.execute(command, arguments or None), SECONDS)

    def give(self, name: str, fd: int) -> None:
        """Pass a file descriptor to QEMU, under a name that one later command uses (getfd)."""

        async def send() -> None:
            self._client.send_fd_scm(fd)
            await self._client.execute("getfd", {"fdname": name})

        self._run(send, SECONDS)

    def human(self, command: str) -> str:
        """Run a command of the human monitor (HMP); return its output."""
        return str(self.execute("human-monitor-command", **{"command-line": command}))

    def is_suspended(self) -> bool:
        """Whether the guest has suspended its machine, and nothing has woken it."""
        return [event["event"] for event in self._sleep.history][-1:] == ["SUSPEND"]

    def shutdown_reason(self) -> str:
        """Return why QEMU ended (QMP's ShutdownCause), empty if it sent no reason."""
        with suppress(VmLost):
            self._run(self._hear_out, LAST_SECONDS)
        for event in self._client.events.clear():
            data = event.get("data")
            if event["event"] == "SHUTDOWN" and isinstance(data, dict):
                return str(data.get("reason", ""))
        return ""

    async def _hear_out(self) -> None:
        while self._client.runstate is Runstate.RUNNING:
            await self._client.runstate_changed()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(VmLost):
            self._run(self._client.disconnect, LAST_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(LAST_SECONDS)
        if not self._thread.is_alive():
            self._loop.close()


async def _answer(
    what: Callable[[], Coroutine[Any, Any, T]], seconds: float, answer: Future[T]
) -> None:
    try:
        async with asyncio.timeout(seconds):
            result = await what()
    except Exception as error:
        answer.set_exception(error)
    else:
        answer.set_result(result)
