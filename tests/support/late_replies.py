# SPDX-License-Identifier: GPL-2.0-only
"""Replies that a busy host makes late.

The library's deadline is in the guest's time, which goes on while QEMU waits for a CPU.
"""

from __future__ import annotations

import os
from errno import ETIMEDOUT
from typing import TYPE_CHECKING

from harness.attacker import GuestError
from harness.vm.cpu_use import cpu_use

if TYPE_CHECKING:
    from sample import Sample

    from harness.vm.machine import Machine

STARVED_SECONDS = 0.5
"""How long QEMU waits for a CPU while a request is late by the host: a quarter of the deadline."""
AT_MOST = 20


def _is_starved(machine: Machine, waited: float) -> bool:
    return cpu_use(machine.pid).waited - waited >= STARVED_SECONDS


def lates(machine: Machine, waited: float) -> set[str]:
    """Return what callers may complain of because a busy host made replies late.

    `waited` is how long QEMU had waited for a CPU before the first request.
    """
    return {os.strerror(ETIMEDOUT)} if _is_starved(machine, waited) else set()


def late(sample: Sample, machine: Machine, request: str) -> int:
    """Send a request until it is answered, and return how often a busy host made it late."""
    for count in range(AT_MOST):
        waited = cpu_use(machine.pid).waited
        try:
            sample.write(request)
        except GuestError as error:
            if error.errno != ETIMEDOUT or not _is_starved(machine, waited):
                raise
        else:
            return count
    raise AssertionError(f"{AT_MOST} requests {request!r} were late")
