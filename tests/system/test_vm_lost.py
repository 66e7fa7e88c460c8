# SPDX-License-Identifier: GPL-2.0-only
"""When a machine is lost, the reason is reported in time, and no process or file remains."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from vm_machines import Machines, machines

from harness.host.errors import VmLost
from harness.vm import monitor
from harness.vm.console import CAP

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.attacker import Attacker

__all__ = ["machines"]

pytestmark = pytest.mark.timeout(3600)

POWER_OFF = (0xFEE1DEAD, 672274793, 0x4321FEDC, 0)
"""reboot(2)'s arguments."""
SOON = 50
"""Seconds: less than the agent's deadline."""


def panic(attacker: Attacker) -> None:
    attacker.write_file("/proc/sysrq-trigger", b"c")


def power_off(attacker: Attacker) -> None:
    attacker.syscall("reboot", *POWER_OFF)


@pytest.mark.parametrize(
    ("attack", "reason"),
    [
        (panic, r"^the guest reset itself: Kernel panic - not syncing: sysrq triggered crash$"),
        (power_off, r"^the guest powered off$"),
    ],
)
def test_a_guest_that_ends_itself(
    machines: Machines, attack: Callable[[Attacker], None], reason: str
) -> None:
    with (
        pytest.raises(VmLost, match=reason),
        machines.restore() as machine,
        machines.attacker(machine) as attacker,
    ):
        attack(attacker)
    assert not machines.left()


def test_a_panic_is_seen_by_who_only_reads_memory(machines: Machines) -> None:
    with pytest.raises(VmLost, match="Kernel panic"), machines.restore() as machine:
        with suppress(VmLost), machines.attacker(machine) as attacker:
            panic(attacker)
        with machine.paused():
            machine.read(0, 8)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_killed_qemu(machines: Machines, number: signal.Signals) -> None:
    with (
        pytest.raises(VmLost, match=f"^QEMU was killed by {number.name}$"),
        machines.restore() as machine,
    ):
        os.kill(machine.pid, number)
        killed = time.monotonic()
        with machine.paused():
            machine.read(0, 8)
    assert time.monotonic() - killed < SOON
    with (
        pytest.raises(VmLost, match=f"^QEMU was killed by {number.name}$"),
        machines.restore() as machine,
        machines.attacker(machine) as attacker,
    ):
        os.kill(machine.pid, number)
        killed = time.monotonic()
        attacker.getpid()
    assert time.monotonic() - killed < SOON
    assert not machines.left()


def test_a_hung_qemu(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(VmLost, match=r"no answer within 0\.5 s"), machines.restore() as machine:
        monkeypatch.setattr(monitor, "SECONDS", 0.5)
        os.kill(machine.pid, signal.SIGSTOP)
        machine.pause()
    with pytest.raises(ProcessLookupError):
        os.kill(machine.pid, 0)


def test_a_flooded_console_is_capped_and_escaped(machines: Machines) -> None:
    with machines.restore() as machine, machines.attacker(machine) as attacker:
        with attacker.open("/dev/console", os.O_WRONLY) as console:
            console.write(b"\x1b[2J")
            for _ in range(10):
                console.write(b"A" * (CAP // 4))
            console.write(b"the end")
        text = machine.console()
        assert "\\x1b[2J" in text
        assert "\x1b" not in text
        assert "bytes dropped]" in text
        assert len(text) <= 2 * CAP + 1000
        assert attacker.getpid()


HELD = """
import sys, time
from pathlib import Path
from harness.vm.machine import Machine
from harness.vm.probe import Accelerator
from harness.vm.saved_state import SavedState
from harness.vm.spec import MachineSpec

directory, name = sys.argv[1:]
spec = MachineSpec("test", Path(), "", Path(), "", "")
state = SavedState(Path(directory))
with Machine.restore(spec, Accelerator(name, ""), state) as machine:
    print(machine.pid, flush=True)
    while True:
        with machine.paused():
            machine.read(0, 65536)
"""


def hold(machines: Machines) -> tuple[subprocess.Popen[str], int]:
    """A process that uses a machine without end, and its QEMU's pid."""
    state = machines.state()
    held = subprocess.Popen(
        [sys.executable, "-c", HELD, state.directory, machines.accelerator.name],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert held.stdout is not None
    return held, int(held.stdout.readline())


@pytest.mark.parametrize("delay", [0, 0.02, 0.05, 0.051, 0.052, 0.053])
def test_ctrl_c_ends_all_cleanly(machines: Machines, delay: float) -> None:
    held, pid = hold(machines)
    time.sleep(delay)
    held.send_signal(signal.SIGINT)
    _, errors = held.communicate(timeout=60)
    assert errors.rstrip().endswith("KeyboardInterrupt")
    for noise in ("never retrieved", "it is pending", "Exception ignored", "unclosed", "VmLost"):
        assert noise not in errors
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not machines.left()


def test_a_killed_harness_takes_its_qemu_along(machines: Machines) -> None:
    held, pid = hold(machines)
    held.kill()
    held.communicate(timeout=60)
    deadline = time.monotonic() + 60
    while _alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (swept,) = machines.left()
    with machines.restore():
        assert len(machines.left()) == 1
        assert not swept.exists()
    assert not machines.left()


def _alive(pid: int) -> bool:
    """Whether a process runs; a zombie, whose new parent is slow, does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
