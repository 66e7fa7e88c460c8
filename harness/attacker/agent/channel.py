# SPDX-License-Identifier: GPL-2.0-only
"""The byte stream to the agent, with a deadline for each reply and for the whole attempt."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.attacker.agent.protocol import REPLY, Memory, body_size, request
from harness.host.errors import VmLost
from harness.vm.stream import FileStream

if TYPE_CHECKING:
    from typing import Self

    from harness.vm.stream import Stream

REPLY_SECONDS = 10.0
"""Deadline of one system call. An attack that blocks ends in an error, not in a verdict."""
FILE_SECONDS = 30.0
"""Deadline for putting one file into the guest."""
ATTEMPT_SECONDS = 60.0
"""Deadline of the whole attempt, for a guest that answers every call but never lets it finish."""

_FAREWELL = 0
"""The reply id that pid 1 sends when the agent has died; requests are numbered from 1."""


@dataclass(frozen=True)
class Reply:
    """The agent's reply to one request."""

    result: int
    """The system call's raw result: negative for an errno."""
    data: tuple[bytes, ...]
    """The memory that the request asked back, one element for each of `Memory.reads`."""


class Channel:
    """The requests to the agent and its replies, over a connected stream.

    The `with` block closes the stream. `reply_seconds` is the deadline of one call;
    `attempt_seconds` the deadline of the whole attempt, which starts with the first call. After a
    VmLost, every further call raises the same VmLost: request and reply are out of step.
    """

    def __init__(
        self,
        stream: Stream,
        *,
        reply_seconds: float = REPLY_SECONDS,
        attempt_seconds: float = ATTEMPT_SECONDS,
    ) -> None:
        self._stream = stream
        self._reply_seconds = reply_seconds
        self._attempt_seconds = attempt_seconds
        self._attempt_end: float | None = None
        self._ident = 0
        self._lost: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def call(self, number: int, args: tuple[int, ...], memory: Memory) -> Reply:
        """Make one system call in the guest, with the raw arguments and the memory they point to.

        Raises VmLost if the deadline passes, the stream ends, or the reply is malformed, and
        ValueError for more than six arguments.
        """
        frame = request(self._ident + 1, number, args, memory)
        if self._lost is not None:
            raise VmLost(self._lost)
        self._ident += 1
        try:
            return self._exchange(frame, memory)
        except VmLost as lost:
            self._lost = str(lost)
            raise

    def put(self, path: str, data: bytes, mode: int) -> bool:
        """Create a file in the guest if the stream can transfer files; return whether it can.

        `mode` has the permission bits of the file. Raises VmLost if the transfer fails.
        """
        if self._lost is not None:
            raise VmLost(self._lost)
        if not isinstance(self._stream, FileStream):
            return False
        try:
            self._stream.settimeout(_left(self._deadline(FILE_SECONDS)))
            self._stream.put(path, data, mode)
        except TimeoutError:
            self._lost = f"the file {path} was not written to the guest before the deadline"
        except OSError as error:
            self._lost = f"the file {path} cannot be written to the guest: {error.strerror}"
        if self._lost is not None:
            raise VmLost(self._lost)
        return True

    def _deadline(self, seconds: float) -> float:
        """Return the monotonic time by which a call of at most `seconds` must end.

        The first call starts the attempt's own deadline.
        """
        now = time.monotonic()
        if self._attempt_end is None:
            self._attempt_end = now + self._attempt_seconds
        return min(now + seconds, self._attempt_end)

    def _exchange(self, frame: bytes, memory: Memory) -> Reply:
        end = self._deadline(self._reply_seconds)
        try:
            self._stream.settimeout(_left(end))
            self._stream.sendall(frame)
        except TimeoutError:
            raise VmLost("the agent accepted no request before its deadline") from None
        except OSError as error:
            raise VmLost(f"the agent's channel broke: {error.strerror}") from error

        length, ident, result = REPLY.unpack(self._receive(REPLY.size, end))
        if ident == _FAREWELL:
            raise VmLost("the agent has ended")
        if ident != self._ident:
            raise VmLost(f"the agent answered request {ident}, not {self._ident}")
        sizes = [span.returned(result) for span in memory.reads]
        if body_size(length) != sum(sizes):
            raise VmLost(f"the agent's reply of {length} bytes has the wrong size")
        body = self._receive(sum(sizes), end)
        data, at = [], 0
        for size in sizes:
            data.append(body[at : at + size])
            at += size
        return Reply(result, tuple(data))

    def _receive(self, size: int, end: float) -> bytes:
        """Receive exactly `size` bytes; bytes that arrive slowly do not extend the deadline."""
        buffer = bytearray(size)
        done = 0
        while done < size:
            try:
                self._stream.settimeout(_left(end))
                count = self._stream.recv_into(memoryview(buffer)[done:])
            except TimeoutError:
                raise VmLost("the agent gave no answer before its deadline") from None
            except OSError as error:
                raise VmLost(f"the agent's channel broke: {error.strerror}") from error
            if not count:
                raise VmLost("the agent's channel ended")
            done += count
        return bytes(buffer)


def _left(end: float) -> float:
    """Return the seconds until `end`. Raises TimeoutError if `end` has passed."""
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
