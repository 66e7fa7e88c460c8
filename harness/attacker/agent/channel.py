# SPDX-License-Identifier: GPL-2.0-only
"""The byte stream to the agent, with a deadline on each reply and on the whole attempt."""

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
"""How long one system call may take: an attack that blocks is an error, not a verdict."""
FILE_SECONDS = 30.0
"""How long it may take to put a file into the guest."""
ATTEMPT_SECONDS = 60.0
"""How long a channel may serve: a guest that answers, but leads nowhere, ends here."""

_FAREWELL = 0
"""What pid 1 sends when its agent dies; requests count from 1."""


@dataclass(frozen=True)
class Reply:
    """A call's raw result, and the bytes of the memory that was to come back."""

    result: int
    data: tuple[bytes, ...]


class Channel:
    """A conversation over a connected stream, which its `with` block closes.

    The time of the attempt runs from the first call. After `VmLost` each further call
    raises it again: a stream that lost its step has nothing more to say.
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
        """Have the agent make one system call. Raises VmLost for silence, an end, or nonsense."""
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
        """Make a file in the guest if the stream has a way of its own to; whether it has.

        Raises VmLost where it has one, and that fails.
        """
        if self._lost is not None:
            raise VmLost(self._lost)
        if not isinstance(self._stream, FileStream):
            return False
        try:
            self._stream.settimeout(_left(self._deadline(FILE_SECONDS)))
            self._stream.put(path, data, mode)
        except TimeoutError:
            self._lost = f"the guest did not take the file {path} before its deadline"
        except OSError as error:
            self._lost = f"the guest did not take the file {path}: {error.strerror}"
        if self._lost is not None:
            raise VmLost(self._lost)
        return True

    def _deadline(self, seconds: float) -> float:
        """Return when a call that may take `seconds` must have ended; the first starts the time."""
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
            raise VmLost("the agent took no request before its deadline") from None
        except OSError as error:
            raise VmLost(f"the agent's channel broke: {error.strerror}") from error

        length, ident, result = REPLY.unpack(self._receive(REPLY.size, end))
        if ident == _FAREWELL:
            raise VmLost("the agent has ended")
        if ident != self._ident:
            raise VmLost(f"the agent answered request {ident}, not {self._ident}")
        sizes = [span.returned(result) for span in memory.reads]
        if body_size(length) != sum(sizes):
            raise VmLost(f"the agent's reply of {length} bytes does not have the size it must")
        body = self._receive(sum(sizes), end)
        data, at = [], 0
        for size in sizes:
            data.append(body[at : at + size])
            at += size
        return Reply(result, tuple(data))

    def _receive(self, size: int, end: float) -> bytes:
        """Receive exactly `size` bytes; bytes that trickle in do not prolong the deadline."""
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
    """Return the seconds until `end`. Raises TimeoutError when there are none."""
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
