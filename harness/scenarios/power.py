# SPDX-License-Identifier: GPL-2.0-only
"""Attacks by way of power management: the freezer, sleep, and the end of the whole machine."""

from __future__ import annotations

from errno import EBUSY, EPERM
from functools import partial
from os import O_RDONLY, O_WRONLY
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError
from harness.attacker.tools.kexec import KEXEC, RESTART, load_power_off, reboot
from harness.attacker.tools.priority import run_almost_never
from harness.model.verdict import Effect, Verdict
from harness.scenarios.holes import on_both
from harness.scenarios.registry import BY_OPEN, scenario
from harness.witness.latency import SLOW_NS

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

# include/uapi/linux/suspend_ioctls.h
SNAPSHOT_FREEZE, SNAPSHOT_UNFREEZE = 0x3301, 0x3302

POWER = "/sys/power"
MILLISECOND = 1_000_000
TOO_LONG = SLOW_NS * 3 // 2
AWAKE = 500
"""Requests that are answered before the machine should have gone to sleep."""
TEST_SECONDS = "/sys/module/suspend/parameters/pm_test_delay"


_by_freezer = partial(
    scenario,
    effect=Effect.AVAILABILITY,
    answers=("L5", "L6"),
    reach="freeze_task",
)

_by_machine = partial(
    scenario,
    effect=Effect.AVAILABILITY,
    answers=("R16", "L3"),
    ends_machine=True,
    holes=on_both(Verdict.DISRUPTED, "nothing outlives the machine it runs on"),
)


@_by_freezer(
    surface="dev-snapshot-freeze",
    lockdown=BY_OPEN,
    freezes=True,
)
def dev_snapshot_freeze(attacker: Attacker, handler: Handler) -> None:
    """Freeze all processes but one's own, as if to hibernate, for as long as one likes."""
    with attacker.open("/dev/snapshot", O_RDONLY) as snapshot:
        attacker.syscall("ioctl", snapshot.fd, SNAPSHOT_FREEZE, 0)
        handler.let_pass(TOO_LONG)
        attacker.syscall("ioctl", snapshot.fd, SNAPSHOT_UNFREEZE, 0)
    handler.wait_for_request()


@_by_freezer(
    surface="pm-test-freeze-suspend",
)
def pm_test_freezer(attacker: Attacker, handler: Handler) -> None:
    """Have the kernel try out how it freezes all processes, while one is slow to be frozen.

    That one gets no CPU: the others, frozen already, wait for as long as the kernel waits for it.
    """
    with attacker.setup():
        slow = attacker.spawn("/bin/busybox", "sh", "-c", "while :; do :; done")
        run_almost_never(attacker, slow)
        attacker.write_file(f"{POWER}/pm_test", b"freezer")
        attacker.write_file(TEST_SECONDS, b"0")
        attacker.write_file(f"{POWER}/pm_freeze_timeout", str(TOO_LONG // MILLISECOND).encode())
    try:
        attacker.write_file(f"{POWER}/state", b"freeze")
    except GuestError as error:
        if error.errno != EBUSY:
            raise
    else:
        raise LookupError("all processes froze at once")
    handler.wait_for_request()


@_by_machine(
    surface="pm-test-freeze-suspend",
    through="pm_suspend",
)
def suspend_to_ram(attacker: Attacker, handler: Handler) -> None:
    """Send the whole machine to sleep."""
    state = f"{POWER}/state"
    attacker.open(state, O_WRONLY).close()  # as the shell will: here its errno is told
    attacker.spawn("/bin/busybox", "sh", "-c", f"echo mem > {state}")
    for _ in range(AWAKE):
        handler.wait_for_request()
    raise LookupError("the machine is still awake")


@_by_machine(
    surface="reboot-panic-kexec-sysrq-b-c",
    through="kernel_restart",
)
def reboot_machine(attacker: Attacker, handler: Handler) -> None:
    """Restart the machine."""
    reboot(attacker, RESTART)
    handler.wait_for_request()


@_by_machine(
    surface="reboot-panic-kexec-sysrq-b-c",
    through="sysrq_handle_crash",
)
def sysrq_crash(attacker: Attacker, handler: Handler) -> None:
    """Have the kernel panic."""
    attacker.write_file("/proc/sysrq-trigger", b"c")
    handler.wait_for_request()


@_by_machine(
    surface="reboot-panic-kexec-sysrq-b-c",
    through="kernel_kexec",
    lockdown={"kexec_load": EPERM},
)
def kexec(attacker: Attacker, handler: Handler) -> None:
    """Put code of one's own in the kernel's place; it switches the machine off."""
    load_power_off(attacker)
    reboot(attacker, KEXEC)
    handler.wait_for_request()
