# SPDX-License-Identifier: GPL-2.0-only
"""Making system calls in the guest: numbers, buffers, errors, and the attempt's record."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.attacker.agent.attempt import Attempt, Call, shown
from harness.attacker.agent.errors import GuestError, SetupFailed, ShortTransfer, errno_name
from harness.attacker.agent.protocol import CALL_FORK, CALL_SPAWN, Memory, failed
from harness.attacker.agent.syscalls import NAMES, NUMBERS
from harness.host.errors import VmLost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.attacker.agent.channel import Channel, Reply

    Argument = int | str | bytes | bytearray

_AGENTS_OWN = {"fork": CALL_FORK, "spawn": CALL_SPAWN}
"""Operations of the agent itself: a plain fork(2) would put two processes on one channel."""


class SystemCalls:
    """Any system call in the guest. Each call is recorded in the attempt."""

    def __init__(self, channel: Channel) -> None:
        self.attempt = Attempt()
        """The record of the calls made so far."""
        self._channel = channel
        self._setup_depth = 0

    @contextmanager
    def setup(self) -> Iterator[None]:
        """Mark the calls in the `with` block as set-up: preparation, not the attack itself.

        A refused set-up call is no evidence that the attack is refused. Inside the block a
        GuestError, any other OSError, or a ShortTransfer becomes SetupFailed, and the cell's
        verdict is an error.
        """
        self._setup_depth += 1
        try:
            yield
        except (OSError, ShortTransfer) as error:
            raise SetupFailed(f"set-up failed: {error}") from error
        finally:
            self._setup_depth -= 1

    def syscall(self, call: str | int, *args: Argument) -> int:
        """Make a system call, by name or x86-64 number, and return its result.

        A str is passed as a pointer to a NUL-terminated string, bytes as a pointer to a copy. A
        bytearray is passed as a pointer, too; after the call it holds what the kernel wrote.

        Raises GuestError if the call fails, VmLost if the guest gives no valid answer in time,
        and ValueError for an unknown name, more than six arguments, or more than 1 MiB of
        buffers.
        """
        memory = Memory()
        words = tuple(_word(memory, arg) for arg in args)
        reply = self._call(call, words, memory, display=tuple(shown(arg) for arg in args))
        arrays = (arg for arg in args if isinstance(arg, bytearray))
        for array, data in zip(arrays, reply.data, strict=True):
            array[:] = data
        return reply.result

    def _call(
        self,
        call: str | int,
        args: tuple[int, ...],
        memory: Memory,
        *,
        display: tuple[str, ...] | None = None,
    ) -> Reply:
        """Make one call and record it; the record shows `display` in place of the arguments."""
        name, number = _resolve(call)
        display = tuple(shown(arg) for arg in args) if display is None else display
        started = time.monotonic()
        reply = None
        try:
            reply = self._channel.call(number, args, memory)
        finally:
            result = reply.result if reply else None
            errno = errno_name(-result) if result is not None and failed(result) else None
            seconds = time.monotonic() - started
            in_setup = self._setup_depth > 0
            self.attempt.add(Call(name, display, result, errno, in_setup, seconds))
        if failed(reply.result):
            raise GuestError(-reply.result, name)
        return reply

    def _transfer(self, call: str, args: tuple[int, ...], memory: Memory, size: int) -> Reply:
        """Make a call that transfers up to `size` bytes. Raises VmLost for a larger result."""
        display = tuple(shown(arg) for arg in args)
        for address, data in memory.writes:
            display = tuple(
                shown(data) if arg == address else text
                for arg, text in zip(args, display, strict=True)
            )
        reply = self._call(call, args, memory, display=display)
        if not 0 <= reply.result <= size:
            raise VmLost(f"{call} of {size} bytes cannot transfer {reply.result}")
        return reply


def _resolve(call: str | int) -> tuple[str, int]:
    if isinstance(call, str):
        if call in _AGENTS_OWN:
            return call, _AGENTS_OWN[call]
        if call not in NUMBERS:
            raise ValueError(f"there is no system call {call!r} on x86-64")
        return call, NUMBERS[call]
    return NAMES.get(call, f"syscall {call}"), call


def _word(memory: Memory, arg: Argument) -> int:
    if isinstance(arg, int):
        return arg
    if isinstance(arg, bytearray):
        return memory.exchange(bytes(arg))
    return memory.place(arg.encode() + b"\0" if isinstance(arg, str) else arg)
