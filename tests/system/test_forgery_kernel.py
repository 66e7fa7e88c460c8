# SPDX-License-Identifier: GPL-2.0-only
"""Attacks with the kernel's own interfaces: clocks, probes, logs, priorities, modules."""

from __future__ import annotations

import struct
import time
from contextlib import suppress
from functools import partial
from signal import SIGKILL, SIGSTOP
from typing import TYPE_CHECKING

import pytest
from cells import Cells, cells, overwrite, touch
from forger import sysrq, wait_for, write

from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.attacker import Attacker
    from harness.witness.handler import Handler

    Attack = Callable[[Attacker, Handler], None]
    Knob = Callable[[Attacker], None]

__all__ = ["cells"]

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

SYSLOG_CLEAR, SYSLOG_CONSOLE_OFF = 5, 6
CLOCK_REALTIME = 0
CENTURY = 100 * 365 * 86400
ADJ_TICK = 0x4000


def set_clock(attacker: Attacker, by: int) -> None:
    """Move the time of day by so many seconds."""
    now = int(time.time())
    attacker.syscall("clock_settime", CLOCK_REALTIME, struct.pack("<2q", max(now + by, 60), 0))


def set_tick(attacker: Attacker, microseconds: int) -> None:
    """Make the monotonic clock run as fast or as slow as adjtimex(2) lets it."""
    timex = bytearray(208)
    struct.pack_into("<I", timex, 0, ADJ_TICK)
    struct.pack_into("<q", timex, 88, microseconds)
    attacker.syscall("adjtimex", timex)


def set_clocksource(attacker: Attacker) -> None:
    """Choose another clock."""
    base = "/sys/devices/system/clocksource/clocksource0"
    names = attacker.read_file(f"{base}/available_clocksource").decode().split()
    now = attacker.read_file(f"{base}/current_clocksource").decode().strip()
    others = [name for name in names if name != now]
    assert others, names
    write(attacker, f"{base}/current_clocksource", others[0])


def silence_log(attacker: Attacker) -> None:
    """Nothing on the console, nothing in the log."""
    write(attacker, "/proc/sys/kernel/printk", "0 0 0 0")
    attacker.syscall("syslog", SYSLOG_CONSOLE_OFF, 0, 0)
    attacker.syscall("syslog", SYSLOG_CLEAR, 0, 0)


def calm_panics(attacker: Attacker) -> None:
    """Make the kernel report no warning or oops, and continue after one."""
    for name in ("panic", "panic_on_oops", "panic_on_warn", "panic_print"):
        write(attacker, f"/proc/sys/kernel/{name}", "0")


def switch_tracing_off(attacker: Attacker) -> None:
    write(attacker, "/sys/kernel/tracing/tracing_on", "0")
    write(attacker, "/sys/kernel/tracing/events/enable", "0")
    write(attacker, "/sys/kernel/tracing/set_ftrace_notrace", "*")


def switch_probes_off(attacker: Attacker) -> None:
    """The witness watches functions by ftrace, which its kind of user keeps from being stopped."""
    write(attacker, "/sys/kernel/debug/kprobes/enabled", "0")
    with pytest.raises(OSError, match="EBUSY"):
        write(attacker, "/proc/sys/kernel/ftrace_enabled", "0")


def witness_pid(attacker: Attacker) -> int:
    """The pid of the witness's thread, found in /proc."""
    last = int(attacker.read_file("/proc/loadavg").split()[-1])
    for pid in range(2, last + 1):
        with suppress(OSError):
            if attacker.read_file(f"/proc/{pid}/comm") == b"umd_witness\n":
                return pid
    raise AssertionError("no thread of the witness")


def signal_witness(attacker: Attacker) -> None:
    """Kill it, stop it."""
    pid = witness_pid(attacker)
    for signal in (SIGSTOP, SIGKILL):
        attacker.kill(pid, signal)


def move_witness(attacker: Attacker) -> None:
    """Into a cgroup of no CPU time, or onto other CPUs: the kernel must refuse both."""
    pid = witness_pid(attacker)
    attacker.mkdir("/sys/fs/cgroup/cage")
    for path, text in (("cage/cgroup.procs", str(pid)), ("cage/cgroup.freeze", "1")):
        with suppress(OSError):
            write(attacker, f"/sys/fs/cgroup/{path}", text)
    assert attacker.read_file("/sys/fs/cgroup/cage/cgroup.procs") == b""
    with pytest.raises(OSError, match="EINVAL"):
        attacker.sched_setaffinity(pid, {0})


KNOBS: dict[str, Knob] = {
    "a century ahead": partial(set_clock, by=CENTURY),
    "back to 1970": partial(set_clock, by=-CENTURY),
    "a slow clock": partial(set_tick, microseconds=9000),
    "a fast clock": partial(set_tick, microseconds=11000),
    "another clock": set_clocksource,
    "a silent log": silence_log,
    "no panics": calm_panics,
    "no tracing": switch_tracing_off,
    "no probes": switch_probes_off,
    "sysrq's reports": partial(sysrq, keys="9lmtwqpd"),
    "signals to the witness": signal_witness,
    "a witness in a cage": move_witness,
}


@pytest.mark.parametrize(("act", "truth"), [(touch, Verdict.HELD), (overwrite, Verdict.TAMPERED)])
@pytest.mark.parametrize("knob", KNOBS)
def test_the_verdict_is_the_truth_whatever_is_turned(
    cells: Cells, knob: str, act: Attack, truth: Verdict
) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        KNOBS[knob](attacker)
        act(attacker, handler)

    outcome = cells.run(attack)
    assert outcome.verdict is truth, outcome.detail


def test_the_witness_has_no_knob(cells: Cells) -> None:
    """All below /sys or /proc/sys that root may write and that is its asks for one more reply."""
    found = []

    def attack(attacker: Attacker, handler: Handler) -> None:
        touch(attacker, handler)
        named = "-path '*witness*' -type f -perm /222 -print"
        find = f"find /sys /proc/sys -path '*/tracing' -prune -o {named} >/found; >/whole"
        attacker.spawn("/bin/busybox", "sh", "-c", find)
        wait_for(attacker, "/whole")
        found.extend(attacker.read_file("/found").decode().split())

    assert cells.run(attack).verdict is Verdict.HELD
    asking = "/sys/kernel/security/umd_witness_ask"
    assert sorted(found) == [asking, "/sys/module/umd_witness_loader/uevent"]


# What keeps the aftermath from taking place


def disable_modules(attacker: Attacker) -> None:
    """No module goes, none comes."""
    write(attacker, "/proc/sys/kernel/modules_disabled", "1")


def misdirect_the_kernel(attacker: Attacker) -> None:
    """The kernel asks another program than modprobe for modules."""
    write(attacker, "/proc/sys/kernel/modprobe", "/bin/busybox")


def take_all_helpers_rights(attacker: Attacker) -> None:
    """The kernel's helpers run without any capability."""
    for name in ("bset", "inheritable"):
        write(attacker, f"/proc/sys/kernel/usermodehelper/{name}", "0 0")


def allow_no_process(attacker: Attacker) -> None:
    """No further process may start."""
    write(attacker, "/proc/sys/kernel/threads-max", "20")


def remove_the_module(attacker: Attacker) -> None:
    """There is nothing to load any more."""
    attacker.unlink("/lib/modules/umd_witness_loader.ko")


PREVENTED: dict[Knob, tuple[Verdict, str]] = {
    disable_modules: (Verdict.ERROR, "phase 3 of the aftermath did not take place"),
    misdirect_the_kernel: (Verdict.DISRUPTED, "failed (ENOPROTOOPT)"),
    # Nor does the next handler have any, which is not as the kernel sets it up.
    take_all_helpers_rights: (Verdict.TAMPERED, "credentials"),
    allow_no_process: (Verdict.DISRUPTED, "failed (EAGAIN)"),
    remove_the_module: (Verdict.DISRUPTED, "failed (ENOPROTOOPT)"),
}


@pytest.mark.parametrize("prevent", PREVENTED)
def test_an_aftermath_that_is_prevented_is_never_held(cells: Cells, prevent: Knob) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        touch(attacker, handler)
        prevent(attacker)

    outcome = cells.run(attack)
    verdict, said = PREVENTED[prevent]
    assert outcome.verdict is verdict, outcome.detail
    assert said in outcome.detail
