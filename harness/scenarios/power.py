# SPDX-License-Identifier: GPL-2.0-only
"""Attacks by power management: the freezer, suspend, reboot and kexec."""

from __future__ import annotations

from errno import EBUSY, EPERM
from functools import partial
from os import O_RDONLY, O_WRONLY
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError, NoTarget
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
"""How many answered requests show that the machine did not suspend."""
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
    holes=on_both(Verdict.DISRUPTED, "root may end the machine, and every handler ends with it"),
)


@_by_freezer(
    surface="dev-snapshot-freeze",
    lockdown=BY_OPEN,
    freezes=True,
)
def dev_snapshot_freeze(attacker: Attacker, handler: Handler) -> None:
    """Freeze all other processes by SNAPSHOT_FREEZE on /dev/snapshot, for any length of time."""
    with attacker.open("/dev/snapshot", O_RDONLY) as snapshot:
        attacker.syscall("ioctl", snapshot.fd, SNAPSHOT_FREEZE, 0)
        handler.let_pass(TOO_LONG)
        attacker.syscall("ioctl", snapshot.fd, SNAPSHOT_UNFREEZE, 0)
    handler.wait_for_request()


@_by_freezer(
    surface="pm-test-freeze-suspend",
)
def pm_test_freezer(attacker: Attacker, handler: Handler) -> None:
    """Run the freezer test of /sys/power/pm_test while one process is slow to freeze.

    That process gets almost no CPU time. The other processes are frozen already, and stay so until
    pm_freeze_timeout has passed.
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
    """Suspend the machine to RAM by /sys/power/state."""
    with attacker.open(f"{POWER}/state", O_WRONLY) as state:
        attacker.spawn("/bin/busybox", "echo", "mem", stdout=state.fd)  # the agent would not return
    for _ in range(AWAKE):
        handler.wait_for_request()
    raise NoTarget("the machine is still awake")  # a policy may have refused the child its write


@_by_machine(
    surface="reboot-panic-kexec-sysrq-b-c",
    through="kernel_restart",
)
def reboot_machine(attacker: Attacker, handler: Handler) -> None:
    """Restart the machine by reboot(2)."""
    reboot(attacker, RESTART)
    handler.wait_for_request()


@_by_machine(
    surface="reboot-panic-kexec-sysrq-b-c",
    through="sysrq_handle_crash",
)
def sysrq_crash(attacker: Attacker, handler: Handler) -> None:
    """Crash the kernel by sysrq-c."""
    attacker.write_file("/proc/sysrq-trigger", b"c")
    handler.wait_for_request()


@_by_machine(
    surface="reboot-panic-kexec-sysrq-b-c",
    through="kernel_kexec",
    lockdown={"kexec_load": EPERM},
)
def kexec(attacker: Attacker, handler: Handler) -> None:
    """Load the attacker's code with kexec_load(2) and boot it. That switches the machine off."""
    load_power_off(attacker)
    reboot(attacker, KEXEC)
    handler.wait_for_request()
