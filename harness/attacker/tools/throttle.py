# SPDX-License-Identifier: GPL-2.0-only
"""Processes that get CPU time once, and then none: they keep the locks that they hold."""

from __future__ import annotations

from os import O_WRONLY, SCHED_OTHER
from typing import TYPE_CHECKING

from harness.attacker.tools.bpf import BpfObject
from harness.attacker.tools.priority import PERIOD_MAX, set_deadline
from harness.attacker.tools.processes import state_at_rest

if TYPE_CHECKING:
    from harness.attacker.agent.attacker import Attacker

_BUDGET = 700_000_000
"""Nanoseconds of CPU time: enough to come to the place of a BPF program. It is less than `SLOW_NS`
(harness/witness/latency.py), because nothing else runs meanwhile on a machine with a single CPU."""
_ONCE = 100_000_000_000
"""Nanoseconds between two budgets: longer than any attack."""


def allow_one_budget(attacker: Attacker) -> None:
    """Allow periods of SCHED_DEADLINE that no attack outlasts."""
    attacker.write_file(PERIOD_MAX, str(_ONCE // 1000).encode())


class Errand:
    """A program that begins when it is told, and has SCHED_DEADLINE with one budget of CPU time.

    A BPF program uses up the budget, in the errand's own system call. The kernel throttles the
    process at the next place where it may, which is then known.
    """

    def __init__(
        self, attacker: Attacker, program: str, *args: str, into: str = "/dev/null"
    ) -> None:
        """Start the program, which waits for a byte, as set-up. `into` is its standard output."""
        self._attacker = attacker
        with attacker.open(into, O_WRONLY) as output, attacker.setup():
            allow_one_budget(attacker)
            told, self._tell = attacker.pipe()
            with told:
                self._pid = attacker.spawn(program, *args, stdin=told.fd, stdout=output.fd)
            state_at_rest(attacker, self._pid)
        set_deadline(attacker, self._pid, runtime=_BUDGET, period=_ONCE)

    def run(self, spender: str, **constants: bytes) -> bool:
        """Begin, and have the BPF object `spender` use up the budget at its place.

        Return whether the errand came there.
        """
        spend = BpfObject(self._attacker, spender, **constants)
        self._tell.write(b"1")
        return bool(spend.hits())

    def release(self) -> None:
        """Give the process CPU time again."""
        self._attacker.sched_setscheduler(self._pid, SCHED_OTHER, 0)


def write_once(attacker: Attacker, path: str) -> Errand:
    """Return an errand that writes 1 to a file."""
    words = "dd", "bs=1", "count=1"
    return Errand(attacker, "/bin/busybox", *words, into=path)
