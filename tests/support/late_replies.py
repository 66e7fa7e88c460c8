# SPDX-License-Identifier: GPL-2.0-only
"""Replies that a busy host makes late.

The library's deadline is in the guest's time, which goes on while QEMU waits for a CPU.
"""

from __future__ import annotations

import os
from contextlib import suppress
from errno import ETIMEDOUT
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from caller import Caller
from stopwatch import Stopwatch

from harness.attacker import GuestError
from harness.lab.parser_clock import STARVED_SECONDS
from harness.vm.cpu_use import cpu_use

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sample import Sample

    from harness.attacker import Attacker
    from harness.attacker.agent.tracee import Tracee
    from harness.vm.machine import Machine
    from harness.witness.tally import Tally

AT_MOST = 20
"""How many requests of a test may be late: more are a defect, on a busy host as well."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


def is_starved(waited: float, *pids: int, seconds: float = STARVED_SECONDS) -> bool:
    """Return whether a request may be late by the host.

    `waited` is how long QEMU, or all of these processes, had waited for a CPU before the request.
    """
    return cpu_use(*pids).waited - waited >= seconds


def lates(machine: Machine, waited: float) -> set[str]:
    """Return what callers may complain of because a busy host made replies late.

    `waited` is how long QEMU had waited for a CPU before the first request.
    """
    return {os.strerror(ETIMEDOUT)} if is_starved(waited, machine.pid) else set()


class Lates:
    """The requests of a test that a busy host made late."""

    def __init__(
        self,
        machine: Machine,
        errno: int = ETIMEDOUT,
        again: Callable[[], object] = int,
        *,
        is_driven: bool = False,
        starved: float = STARVED_SECONDS,
    ) -> None:
        """Count none yet. A request is late by the host after `starved` seconds without a CPU.

        `is_driven`: this process acts on the handler meanwhile, so that its own waits count, too.
        """
        self._pids = (machine.pid, os.getpid()) if is_driven else (machine.pid,)
        self._starved = starved
        self.machine = machine
        self.count = 0
        """How many there are so far."""
        self._errno = errno
        self._again = again

    def in_time(self, act: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Return what `act` returns. Repeat `act` while a busy host makes its request late.

        A late request raises GuestError with `errno`, or returns the negative errno, as that of a
        Caller. The library has ended the handler then: `again` is called before `act` is repeated.
        """
        while True:
            waited = cpu_use(*self._pids).waited
            try:
                result = act(*args, **kwargs)
                if result != -self._errno or not self._is_late(waited):
                    return result
            except GuestError as error:
                if error.errno != self._errno or not self._is_late(waited):
                    raise
            self.add(1)
            self._again()

    def _is_late(self, waited: float) -> bool:
        return is_starved(waited, *self._pids, seconds=self._starved)

    def add(self, count: int) -> None:
        """Count late requests. Fails if there are too many."""
        self.count += count
        assert self.count <= AT_MOST, f"{self.count} requests were late"


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
    while left:
        waited = cpu_use(sample.machine.pid).waited
        for caller, fd in left:
            caller.start("write", fd, request, len(request))
        ended = [(one, one[0].finish()) for one in left]
        is_late = is_starved(waited, sample.machine.pid)
        left = [one for one, result in ended if is_late and result == -ETIMEDOUT]
        found.update(result for one, result in ended if one not in left)
        sample.lates.add(len(left))
    return found


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
    while True:
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
        sample.lates.add(1)
        sample.write(text)
