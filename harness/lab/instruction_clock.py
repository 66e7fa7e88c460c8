# SPDX-License-Identifier: GPL-2.0-only
"""Counts the instructions that a guest takes for operations of its kernel.

The machine's clock counts instructions in place of time (MachineSpec.counts), and a program in the
guest reads it. Nobody attacks this machine, so the guest's own counter is trusted here. It would
not do for a verdict.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from os import O_CREAT, O_RDWR, O_TRUNC
from typing import TYPE_CHECKING

from harness.attacker import Attacker, Channel
from harness.host.errors import VmLost
from harness.vm.machine import Machine
from harness.vm.spec import MachineSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.lab.images import BootImages
    from harness.vm.probe import Accelerator

_HUNDRED, _HUNDRED_TIMES = "hundred", 1000
"""An operation of a hundred slow instructions of the program's own.

An instruction adds one nanosecond to a counter of instructions. Each of these takes a processor
many nanoseconds, so a counter of time shows many times more on any host.
"""
_HUNDRED_BETWEEN = 100, 130
"""How many there may be: a loop is around them, and the timer may interrupt it."""

_BOOT_SECONDS = 300.0  # for the first reply: it comes when the kernel has booted
_SECONDS = 1800.0
_PAYLOAD = "system_cost"
_OUTPUT = "/tmp/output"  # noqa: S108 - the guest's, not ours


def counting_spec(name: str, images: BootImages) -> MachineSpec:
    """Describe a machine whose clock counts its instructions."""
    return MachineSpec(
        name=name,
        kernel=images.kernel.bzimage,
        kernel_key=images.kernel.key,
        initramfs=images.guest.initramfs,
        guest_key=images.guest.key,
        cmdline="",
        counts=True,
    )


@contextmanager
def instruction_clock(
    spec: MachineSpec, images: BootImages, accelerator: Accelerator
) -> Iterator[Callable[[str, int, int], list[int]]]:
    """Boot the machine. Yield `counted` for it.

    Both raise VmLost or OSError, also if its counter does not count instructions.
    """
    with (
        Machine.boot(spec, accelerator) as machine,
        Channel(
            machine.agent_socket(), reply_seconds=_BOOT_SECONDS, attempt_seconds=_SECONDS
        ) as channel,
    ):
        attacker = Attacker(channel, images.guest)
        check_counter(attacker)
        yield partial(counted, attacker)


def counted(attacker: Attacker, operation: str, times: int, rounds: int) -> list[int]:
    """Return the instructions of each round of an operation.

    They are those of the kernel, of all processes and of interrupts. The operations are in
    guest-images/payloads/system_cost.c. A round has the operation so many `times`.
    """
    program = attacker.payload(_PAYLOAD)
    with attacker.open(_OUTPUT, O_RDWR | O_CREAT | O_TRUNC, 0o600) as output:
        attacker.run(program, operation, str(times), str(rounds), stdout=output.fd)
    found = [int(line) for line in attacker.read_file(_OUTPUT).split()]
    if len(found) != rounds:
        raise VmLost(f"the guest counted {len(found)} of {rounds} rounds of {operation}")
    return found


def check_counter(attacker: Attacker) -> None:
    """Raise VmLost unless the guest's counter counts instructions."""
    found = min(counted(attacker, _HUNDRED, _HUNDRED_TIMES, 3)) / _HUNDRED_TIMES
    least, most = _HUNDRED_BETWEEN
    if not least <= found <= most:
        raise VmLost(
            f"the guest's counter shows {found:.0f} for {least} instructions: "
            "it does not count instructions"
        )
