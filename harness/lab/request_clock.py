# SPDX-License-Identifier: GPL-2.0-only
"""Counts the instructions of a request to a driver, and those of the start of a process.

The driver is that of the library's self-test. Its machine counts instructions in place of time
(harness/lab/instruction_clock.py).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.attacker import Attacker, Channel
from harness.host.errors import UserError
from harness.lab.instruction_clock import check_counter, counted
from harness.witness.reader import Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.kernel.build.images import KernelImage
    from harness.lab.images import BootImages
    from harness.vm.machine import Machine

_SECONDS = 600.0
_PARAMETER = "__param_fresh"
"""The symbol of the witness's parameter, which it has only beside the field."""
_FRESH = "/sys/module/umd_selftest/parameters/fresh"


def check_fresh(kernel: KernelImage) -> None:
    """Raise UserError for a kernel whose library cannot start a handler for each request."""
    if _PARAMETER not in kernel.symbols:
        raise UserError(
            "the library of this kernel has no field `fresh`",
            hint="choose a kernel with the series of this version",
        )


@contextmanager
def request_clock(
    machine: Machine, images: BootImages
) -> Iterator[Callable[[int, int], dict[str, list[int]]]]:
    """Make a machine ready that counts. Yield a function that counts rounds of so many operations.

    The function returns the instructions of each round: of a `request`, of a request with a
    handler of its own (`fresh`), and of fork(2), execve(2) and the end of a process (`start`).
    Both raise VmLost or OSError. Raises UserError for a kernel without the field `fresh`.
    """
    check_fresh(images.kernel)
    Witness(machine, images.kernel).park()
    with Channel(machine.agent_socket(), attempt_seconds=_SECONDS) as channel:
        attacker = Attacker(channel, images.guest)
        check_counter(attacker)
        attacker.run("/sbin/modprobe", "umd_selftest")

        def count(times: int, rounds: int) -> dict[str, list[int]]:
            attacker.write_file(_FRESH, b"0")
            request = counted(attacker, "request", times, rounds)
            attacker.write_file(_FRESH, b"1")
            fresh = counted(attacker, "request", times, rounds)
            start = counted(attacker, "fork-exec", times, rounds)
            return {"request": request, "fresh": fresh, "start": start}

        yield count
