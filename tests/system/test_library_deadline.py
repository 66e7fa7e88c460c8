# SPDX-License-Identifier: GPL-2.0-only
"""The management library's deadline, against all that makes its steps block."""

from __future__ import annotations

import re
import subprocess
import time
from contextlib import suppress
from errno import ETIMEDOUT
from fcntl import F_SETLEASE, F_WRLCK
from os import O_DIRECTORY, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY, WTERMSIG
from signal import (
    SIGKILL,
    SIGSTOP,
)
from typing import TYPE_CHECKING

import pytest
from caller import Caller
from late_replies import answers
from sample import HANDLER, LOADER, SELFTEST, Sample
from stopwatch import Stopwatch

from harness.attacker.agent.tracee import PTRACE_INTERRUPT, PTRACE_SEIZE
from harness.attacker.tools.tracefs import define, numbers, recorded, switch_on

if TYPE_CHECKING:
    from pathlib import Path

    from harness.attacker import Attacker
    from harness.lab.lab import Lab
    from harness.vm.machine import Machine
    from harness.witness.reader import Witness

DEADLINE = 2.0
"""CONFIG_USERMODE_DRIVER_MGMT_DEADLINE_MS of kernel-patches/config/witness.config, in seconds."""
BACKSTOP = 1.0
"""What the library adds for a worker that cannot look at the time (umd_send_recv)."""
SLACK = 1.5
"""For a slow machine; a wait without a deadline exceeds it in any case."""
EARLY = 0.05

HOLD = "/sys/module/umd_selftest/parameters/hold"
"""While it is set, a handler of the self-test's is started, but its start does not end."""

PTRACE_SETOPTIONS = 0x4200
PTRACE_O_TRACEEXIT = 0x40


def within_deadline(watch: Stopwatch, *, more: float = 0) -> bool:
    """Whether a step took its deadline, and no longer than that and `more`."""
    unhindered = watch.unhindered
    return watch.seconds >= DEADLINE - EARLY and unhindered < DEADLINE + more + SLACK


def test_the_configuration_has_the_deadline_that_is_tested(lab: Lab) -> None:
    option = f"CONFIG_USERMODE_DRIVER_MGMT_DEADLINE_MS={DEADLINE * 1000:.0f}"
    assert option in lab.image.config.read_text().splitlines()


def test_a_stopped_handler(
    sample: Sample, attacker: Attacker, machine: Machine, witness: Witness
) -> None:
    sample.write("1")
    stopped = sample.pid
    attacker.kill(stopped, SIGSTOP)
    right = witness.read().count.right
    watch = Stopwatch(machine)
    sample.check_late("2")
    assert within_deadline(watch)
    assert witness.read().count.right > right
    assert not sample.is_there(stopped)
    sample.write("3")
    assert sample.pid != stopped


def test_a_modprobe_that_never_returns(
    sample: Sample, attacker: Attacker, machine: Machine, witness: Witness
) -> None:
    attacker.write_file(
        "/slow", b"#!/bin/busybox sh\necho $$ >/slow.pid\nexec /bin/busybox sleep 600\n", 0o755
    )
    before = attacker.read_file("/proc/sys/kernel/modprobe")
    attacker.write_file("/proc/sys/kernel/modprobe", b"/slow\n")
    other = Caller(attacker)
    right = witness.read().count.right

    watch = Stopwatch(machine)
    other.start("write", sample.fd, b"4", 1)
    sample.check_late("2")
    assert within_deadline(watch)
    # Callers do not queue for a deadline each.
    assert other.finish() == -ETIMEDOUT
    assert within_deadline(watch)
    assert witness.read().count.right > right

    attacker.write_file("/proc/sys/kernel/modprobe", before)
    # The one modprobe that runs is waited for again, rather than another started beside it.
    sample.check_late("2")
    slow = int(attacker.read_file("/slow.pid"))
    attacker.kill(slow, SIGKILL)
    sample.wait_gone(slow)
    sample.write("3")


def test_a_handler_that_does_not_die(sample: Sample, attacker: Attacker, machine: Machine) -> None:
    """A tracer may hold a process that was killed at the door, PTRACE_EVENT_EXIT."""
    sample.write("1")
    stuck, caller = sample.pid, Caller(attacker)
    with attacker.seize(stuck):
        attacker.ptrace(PTRACE_SETOPTIONS, stuck, 0, PTRACE_O_TRACEEXIT)
        watch = Stopwatch(machine)
        caller.start("write", sample.fd, b"2", 1)
        assert caller.finish() == -ETIMEDOUT
        assert within_deadline(watch, more=DEADLINE)
        assert sample.is_there(stuck)
        assert f"(pid {stuck}) does not die, abandoned" in sample.log
        sample.write("3")
        assert sample.pid != stuck
        sample.unload()
        sample.write("4")
    sample.wait_gone(stuck)


def test_a_traced_handler_that_dies_as_a_zombie(
    sample: Sample, attacker: Attacker, machine: Machine
) -> None:
    """Its tracer never waits for it; dead it is all the same, and nothing waits for more."""
    sample.write("1")
    traced, caller = sample.pid, Caller(attacker)
    attacker.ptrace(PTRACE_SEIZE, traced)
    attacker.ptrace(PTRACE_INTERRUPT, traced)
    watch = Stopwatch(machine)
    caller.start("write", sample.fd, b"2", 1)
    assert caller.finish() == -ETIMEDOUT
    assert within_deadline(watch)
    sample.write("3")
    assert b"State:\tZ" in attacker.read_file(f"/proc/{traced}/status")


@pytest.mark.parametrize("unload", [False, True], ids=["", "unloaded"])
def test_a_start_that_hangs(
    sample: Sample, attacker: Attacker, machine: Machine, *, unload: bool
) -> None:
    """A lease on the handler's file holds up its exec; the start is abandoned, then undone."""
    sample.write("1")
    killed = sample.pid
    root = attacker.open(f"/proc/{killed}/cwd", O_RDONLY | O_DIRECTORY).fd
    attacker.kill(killed, SIGKILL)
    sample.wait_gone(killed)
    blob = attacker.open(f"/proc/self/fd/{root}/{HANDLER}", O_RDWR)
    attacker.syscall("fcntl", blob.fd, F_SETLEASE, F_WRLCK)
    watch = Stopwatch(machine)
    sample.check_late("2")
    assert within_deadline(watch)
    if unload:
        sample.unload()
    blob.close()
    attacker.close(root)
    sample.write("3")
    survivors = {pid for pid in handlers(attacker) if sample.is_there(pid)}
    deadline = time.monotonic() + 60
    while survivors != {sample.pid} and time.monotonic() < deadline:
        survivors = {pid for pid in handlers(attacker) if sample.is_there(pid)}
    assert survivors == {sample.pid}
    sample.check_started(2)


def handlers(attacker: Attacker) -> list[int]:
    """The pids of all processes that run the handler's program."""
    last = int(attacker.read_file("/proc/loadavg").split()[-1])
    names = {}
    for pid in range(2, last + 1):
        with suppress(OSError):
            names[pid] = attacker.read_file(f"/proc/{pid}/comm")
    return [pid for pid, name in names.items() if name.strip() == HANDLER.encode()]


def pipe_holder(attacker: Attacker, fd: int) -> Caller:
    """A process that holds a pipe's mutex for as long as it lives.

    splice(2) into a pipe reads its source with the pipe locked (splice_file_to_pipe in
    fs/splice.c), and a terminal without input is a source that never ends.
    """
    attacker.mkdir("/pts")
    attacker.mount("devpts", "/pts", "devpts")
    terminal = attacker.open("/pts/ptmx", O_RDWR).fd
    holder = Caller(attacker)
    holder.start("splice", terminal, 0, fd, 0, 4096, 0)
    time.sleep(0.1)
    assert holder.is_busy()
    return holder


@pytest.mark.parametrize("end", [0, 1], ids=["request", "reply"])
def test_a_pipe_whose_mutex_is_held(
    sample: Sample, attacker: Attacker, machine: Machine, end: int
) -> None:
    """No deadline of the pipe's own ends a wait for its mutex; the transfer is abandoned."""
    sample.write("1")
    victim = sample.pid
    fd = attacker.open(f"/proc/{victim}/fd/{end}", O_RDWR).fd
    holder, caller = pipe_holder(attacker, fd), Caller(attacker)
    watch = Stopwatch(machine)
    caller.start("write", sample.fd, b"2", 1)
    assert caller.finish() == -ETIMEDOUT
    assert within_deadline(watch, more=BACKSTOP + DEADLINE)
    assert holder.is_busy()
    sample.write("3")
    assert sample.pid != victim
    attacker.kill(holder.pid, SIGKILL)
    attacker.close(fd)
    sample.wait_gone(victim)
    sample.write("4")


@pytest.mark.parametrize("end", [0, 1], ids=["request", "reply"])
def test_a_dead_handlers_pipe_whose_mutex_is_held(
    sample: Sample, attacker: Attacker, end: int
) -> None:
    """The last fput() of a pipe takes its mutex: that must not be the caller's to wait for."""
    sample.write("1")
    victim = sample.pid
    fd = attacker.open(f"/proc/{victim}/fd/{end}", O_RDWR).fd
    attacker.kill(victim, SIGKILL)
    sample.wait_gone(victim)
    holder, caller = pipe_holder(attacker, fd), Caller(attacker)
    assert answers(sample, [(caller, sample.fd)], b"2") == {1}
    assert holder.is_busy()
    sample.write("3")


def test_a_driver_that_stays_busy(sample: Sample, attacker: Attacker) -> None:
    """Who waits for other callers has a deadline, and goes away when it is killed."""
    assert not sample.started
    selftest = Sample(attacker, sample.machine, SELFTEST)
    selftest.write("1 1")
    died = selftest.pid
    attacker.kill(died, SIGKILL)
    selftest.wait_gone(died)
    files = [attacker.open(SELFTEST.file, O_WRONLY).fd for _ in range(3)]
    first, killed, late = (Caller(attacker) for _ in files)
    attacker.write_file(HOLD, b"Y")
    first.start("write", files[0], b"1 1", 3)
    while selftest.pid == died:
        assert first.is_busy()
    killed.start("write", files[1], b"1 1", 3)
    assert killed.is_busy()
    attacker.kill(killed.pid, SIGKILL)
    assert WTERMSIG(killed.status()) == SIGKILL
    late.start("write", files[2], b"1 1", 3)
    assert late.finish() == -ETIMEDOUT
    assert first.is_busy()
    attacker.write_file(HOLD, b"N")
    assert first.finish() == 3
    selftest.write("1 1")


def test_a_blob_is_loaded_without_the_lock(
    sample: Sample, attacker: Attacker, tmp_path: Path
) -> None:
    """That runs the final fput() of others' files, which may take as long as they like."""
    types = tmp_path / "vmlinux.btf"
    types.write_bytes(attacker.read_file("/sys/kernel/btf/vmlinux"))
    command = ["pahole", "-F", "btf", "-C", "umd_mgmt", str(types)]
    members = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    lock = re.search(r"\block;\s+/\*\s*(\d+)", members)
    assert lock
    # Only this process's: the witness has a lock of its own.
    ours = f"common_pid == {attacker.syscall('getpid')}"
    define(attacker, "kprobe", "p:umd/ask umd_mgmt_send_recv mgmt=%di:x64")
    switch_on(attacker, "umd/ask", only=ours)
    sample.write("1")
    (asked,) = (numbers(said)["mgmt"] for said in recorded(attacker, "ask"))
    sample.unload()
    # A mutex begins with its owner.
    define(attacker, "kprobe", f"p:umd/load umd_load_blob owner=@{asked + int(lock[1]):#x}:x64")
    switch_on(attacker, "umd/load")
    sample.write("1")
    assert [numbers(said) for said in recorded(attacker, "load")] == [{"owner": 0}]


def test_the_loader_goes_while_a_pipes_mutex_is_held(sample: Sample, attacker: Attacker) -> None:
    sample.write("1")
    fd = attacker.open(f"/proc/{sample.pid}/fd/0", O_RDWR).fd
    holder, caller = pipe_holder(attacker, fd), Caller(attacker)
    caller.start("delete_module", LOADER.encode() + b"\0", O_NONBLOCK)
    assert caller.finish() == 0
    assert holder.is_busy()
    sample.write("3")


def test_the_deadline_cannot_be_set(sample: Sample, attacker: Attacker, machine: Machine) -> None:
    """No file that root can write names it, and what has its value by chance does not set it."""
    sample.write("1")
    writable = output(attacker, "find", "/sys", "/proc/sys", "-type", "f", "-perm", "/222")
    # The host compares the names: the guest would take twice the time of the search for it.
    named = {path for path in writable if NAMES.search(path)}
    assert "/sys/kernel/security/sample_umd" in named
    assert named - WRITABLE == set()
    probe = attacker.read_file("/proc/sys/kernel/threads-max").decode().strip()
    assert "/proc/sys/kernel/threads-max" in files_that_say(attacker, probe)
    assert files_that_say(attacker, f"{DEADLINE * 1000:.0f}") == BY_CHANCE
    for path in BY_CHANCE:
        attacker.write_file(path, b"20000")
    attacker.kill(sample.pid, SIGSTOP)
    watch = Stopwatch(machine)
    sample.check_late("2")
    assert within_deadline(watch)


def files_that_say(attacker: Attacker, value: str) -> list[str]:
    return output(attacker, "grep", "-rlsx", value, "/proc/sys", "/sys/module")


def output(attacker: Attacker, *command: str) -> list[str]:
    """The words that a busybox applet writes."""
    attacker.write_file("/output", b"", 0o600)
    with attacker.open("/output", O_WRONLY) as out:
        applet = attacker.spawn("/bin/busybox", *command, stdout=out.fd)
        attacker.waitpid(applet)
    return attacker.read_file("/output").decode().split()


NAMES = re.compile(r"(?i:umd|deadline)[^/]*$|usermode")
"""In a file's name, or anywhere in its path."""
BY_CHANCE = [
    "/proc/sys/net/core/netdev_budget_usecs",
    "/sys/module/tcp_cubic/parameters/hystart_ack_delta_us",
]
"""Two ticks in microseconds (net/core/dev.c), and what else happens to be two milliseconds."""
WRITABLE = {
    "/sys/kernel/security/sample_umd",
    # One more request to the witness's handler.
    "/sys/kernel/security/umd_witness_ask",
    # The deadline scheduler's.
    "/proc/sys/kernel/sched_deadline_period_max_us",
    "/proc/sys/kernel/sched_deadline_period_min_us",
    # Which capabilities a usermode helper may have.
    "/proc/sys/kernel/usermodehelper/bset",
    "/proc/sys/kernel/usermodehelper/inheritable",
}
