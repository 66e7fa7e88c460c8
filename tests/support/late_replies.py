# SPDX-License-Identifier: GPL-2.0-only
"""Replies that a busy host makes late.

The library's deadline is in the guest's time, which goes on while QEMU waits for a CPU.
"""

from __future__ import annotations

import os
from contextlib import suppress
from errno import ETIMEDOUT
from typing import TYPE_CHECKING

from caller import Caller
from stopwatch import Stopwatch

from harness.attacker import GuestError
from harness.vm.cpu_use import cpu_use

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sample import Sample

    from harness.attacker import Attacker
    from harness.attacker.agent.tracee import Tracee
    from harness.vm.machine import Machine
    from harness.witness.tally import Tally

STARVED_SECONDS = 0.5
"""How long QEMU waits for a CPU while a request is late by the host: a quarter of the deadline."""
AT_MOST = 20
"""How often a request is sent again."""


def is_starved(machine: Machine, waited: float) -> bool:
    """Return whether a request may be late by the host.

    `waited` is how long QEMU had waited for a CPU before the request.
    """
    return cpu_use(machine.pid).waited - waited >= STARVED_SECONDS


def lates(machine: Machine, waited: float) -> set[str]:
    """Return what callers may complain of because a busy host made replies late.

    `waited` is how long QEMU had waited for a CPU before the first request.
    """
    return {os.strerror(ETIMEDOUT)} if is_starved(machine, waited) else set()


class Failures:
    """The requests of the witness that fail from now on; `before` is its tally now."""

    def __init__(self, machine: Machine, before: Tally) -> None:
        self.before = before
        """The witness's tally at the start."""
        self._machine = machine
        self._waited = cpu_use(machine.pid).waited

    def late(self, tally: Tally) -> int:
        """Return how many a busy host can have made late: one for each STARVED_SECONDS of waiting.

        None, if the last one failed for another reason.
        """
        if tally.count.error != -ETIMEDOUT:
            return 0
        starved = cpu_use(self._machine.pid).waited - self._waited
        failed = tally.count.failed - self.before.count.failed
        return min(failed, int(starved / STARVED_SECONDS))

    def others(self, tally: Tally) -> int:
        """Return how many have failed for another reason."""
        return tally.count.failed - self.before.count.failed - self.late(tally)


def answers(sample: Sample, callers: Sequence[tuple[Caller, int]], request: bytes) -> set[int]:
    """Have all callers write a request to their files at once; return what the writes return.

    Those that a busy host made late write again.
    """
    found: set[int] = set()
    left = list(callers)
    for _ in range(AT_MOST):
        waited = cpu_use(sample.machine.pid).waited
        for caller, fd in left:
            caller.start("write", fd, request, len(request))
        ended = [(one, one[0].finish()) for one in left]
        is_late = is_starved(sample.machine, waited)
        left = [one for one, result in ended if is_late and result == -ETIMEDOUT]
        found.update(result for one, result in ended if one not in left)
        sample.lates += len(left)
        if not left:
            return found
    raise AssertionError(f"{AT_MOST} requests {request!r} were late")


def check_result(
    sample: Sample,
    attacker: Attacker,
    act: Callable[[Caller, Tracee], None],
    result: int,
    *,
    text: str = "2",
) -> int:
    """Send a request, act on its handler, and check what the caller's write returns.

    The handler is traced, and has not read the request yet. The library's deadline passes while
    `act` runs. Where a busy host made that late, the request is sent to another handler. Return the
    pid of the last one.
    """
    caller = Caller(attacker)
    for _ in range(AT_MOST):
        handler = attacker.seize(sample.pid).__enter__()
        handler.run_to_entry("read")
        watch = Stopwatch(sample.machine)
        caller.start("write", sample.fd, text.encode(), len(text))
        is_done = False
        with suppress(GuestError):  # the library ends a handler that is late
            act(caller, handler)
            is_done = True
        got = caller.finish()
        if is_done and got == result:
            return handler.pid
        assert got == -ETIMEDOUT, (got, is_done)
        assert watch.hindered >= STARVED_SECONDS
        sample.lates += 1
        sample.write(text)
    raise AssertionError(f"{AT_MOST} requests {text!r} were late")
