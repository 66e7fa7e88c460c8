# SPDX-License-Identifier: GPL-2.0-only
"""The management library through its sample: a handler's life, and its callers' signals."""

from __future__ import annotations

import re
import struct
import time
from contextlib import contextmanager, suppress
from errno import EACCES, EAGAIN, EFAULT, EINVAL, ENOPROTOOPT, ETIMEDOUT
from fcntl import F_SETPIPE_SZ
from os import O_NONBLOCK, O_RDWR, O_WRONLY, WTERMSIG
from signal import (
    SIG_BLOCK,
    SIG_DFL,
    SIG_IGN,
    SIGALRM,
    SIGCONT,
    SIGKILL,
    SIGSTOP,
    SIGUSR1,
)
from time import CLOCK_MONOTONIC
from typing import TYPE_CHECKING

import pytest
from caller import Caller
from late_replies import answers
from sample import FILE, HANDLER, LOADER, Sample

from harness.attacker import GuestError
from harness.attacker.agent.syscalls import NUMBERS
from harness.attacker.agent.tracee import PTRACE_SYSCALL
from harness.attacker.tools.clocks import read_clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.attacker import Attacker

PRINTK_DELAY_MS = 6000
"""More than a request takes that ends a handler, starts another and gets a reply: each of these
three has a deadline of 2 s, also on a busy host."""

# The life of a handler


def test_the_first_write_loads_the_loader(sample: Sample) -> None:
    assert not sample.loaded
    assert sample.started == []
    sample.write("0")
    assert sample.loaded
    sample.check_started(1)


@pytest.mark.parametrize("remove", [False, True], ids=["by-write", "by-modprobe"])
def test_the_loader_comes_and_goes(sample: Sample, *, remove: bool) -> None:
    """As the published self-test has it, but with the loader's end in both ways."""
    for offset in range(0, 131072, 1024 * 16):
        sample.write(str(offset))
        sample.unload()
        assert not sample.loaded
        if remove:
            sample.modprobe(LOADER)
            sample.unload()
    sample.check_started(16 if remove else 8)


def test_printk_delay_delays_a_driver_that_prints_at_its_start(
    attacker: Attacker, sample: Sample
) -> None:
    """The control of the attack printk_delay: it has an effect where a start prints a message.

    A busy host may make the request late. The start has printed its message then, and another
    request would be delayed as well.
    """
    sample.write("0")
    attacker.kill(sample.pid, SIGKILL)
    attacker.write_file("/proc/sys/kernel/printk_delay", b"%d" % PRINTK_DELAY_MS)
    before = read_clock(attacker, CLOCK_MONOTONIC)
    with suppress(GuestError):
        attacker.write(sample.fd, b"0")
    assert read_clock(attacker, CLOCK_MONOTONIC) - before >= PRINTK_DELAY_MS * 1_000_000
    attacker.write_file("/proc/sys/kernel/printk_delay", b"0")


def test_edges_and_many_offsets(sample: Sample) -> None:
    """Each reply is 128 KiB, twice what a pipe takes at once."""
    edges = [0, 1, 4095, 4096, 65535, 65536, 65537, 131070, 131071]
    for offset in (*edges, *range(0, 131072, 977)):
        sample.write(str(offset))
    sample.write("7\n")
    sample.check_started(1)


@pytest.mark.parametrize("text", ["131072", "9999999", "-1", "0x", "12345678", "0000000\n"])
def test_what_is_no_offset_is_refused(sample: Sample, text: str) -> None:
    assert sample.refused(text) == EINVAL
    assert not sample.loaded
    sample.write("1")


def test_a_killed_handler_is_started_again(sample: Sample, attacker: Attacker) -> None:
    sample.write("1")
    for offset in range(3):
        killed = sample.pid
        attacker.kill(killed, SIGKILL)
        sample.wait_gone(killed)
        sample.write(str(offset))
        assert sample.pid != killed
    sample.check_started(4)


def test_callers_at_once(sample: Sample, attacker: Attacker) -> None:
    """All of them find no loader, and one handler serves them in turn."""
    callers = []
    for _ in range(8):
        fd = attacker.open(FILE, O_WRONLY).fd
        callers.append((Caller(attacker), fd))
    assert answers(sample, callers, b"65536") == {5}
    sample.check_started(1)


@pytest.mark.parametrize("end", [0, 1], ids=["request", "reply"])
def test_a_shrunk_pipe(sample: Sample, attacker: Attacker, end: int) -> None:
    """Root makes a pipe one page long: more turns, the same reply."""
    sample.write("1")
    pipe = attacker.open(f"/proc/{sample.pid}/fd/{end}", O_RDWR | O_NONBLOCK)
    assert attacker.syscall("fcntl", pipe.fd, F_SETPIPE_SZ, 4096) == 4096
    sample.write("131071")
    sample.check_started(1)


def test_without_a_loader(sample: Sample, attacker: Attacker) -> None:
    path = f"/lib/modules/{LOADER}.ko"
    sample.write("1")
    sample.unload()
    attacker.rename(path, "/away.ko")
    assert sample.refused("1") == ENOPROTOOPT
    attacker.rename("/away.ko", path)
    sample.write("1")


def test_only_the_kernels_pipe_ends_are_non_blocking(sample: Sample, attacker: Attacker) -> None:
    """The handler's reads block, or it would take an empty pipe for its end."""
    sample.write("1")
    for fd in (0, 1):
        info = attacker.read_file(f"/proc/{sample.pid}/fdinfo/{fd}").decode()
        flags = re.search(r"^flags:\s+(\d+)", info, re.MULTILINE)
        assert flags and not int(flags[1], 8) & O_NONBLOCK
    with pytest.raises(OSError, match="ENOENT"):
        attacker.read_file(f"/proc/{sample.pid}/fdinfo/2")


def test_a_handler_that_cannot_be_forked(sample: Sample, attacker: Attacker) -> None:
    """A start that fails before there are pipes: umd_cleanup() must not put what it has not got."""
    limit = "/proc/sys/kernel/threads-max"
    sample.write("1")
    killed, before = sample.pid, attacker.read_file(limit)
    attacker.kill(killed, SIGKILL)
    sample.wait_gone(killed)
    attacker.write_file(limit, b"20")
    assert sample.refused("2") == EAGAIN
    attacker.write_file(limit, before)
    sample.write("3")


def test_a_handler_that_cannot_be_executed(sample: Sample, attacker: Attacker) -> None:
    sample.write("1")
    killed = sample.pid
    path = f"/proc/{killed}/cwd/{HANDLER}"
    attacker.chmod(path, 0)
    attacker.kill(killed, SIGKILL)
    sample.wait_gone(killed)
    assert sample.refused("2") == EACCES
    sample.unload()
    sample.write("3")


# The caller's signals


def mask(*signals: int) -> bytes:
    return struct.pack("<Q", sum(1 << (signal - 1) for signal in signals))


def act(caller: Caller, signal: int, handler: int) -> None:
    action = struct.pack("<4Q", handler, 0, 0, 0)
    assert caller.call("rt_sigaction", signal, action, 0, 8) == 0


def block(caller: Caller, *signals: int) -> None:
    assert caller.call("rt_sigprocmask", SIG_BLOCK, mask(*signals), 0, 8) == 0


@contextmanager
def stopped(attacker: Attacker, handler: int) -> Iterator[None]:
    """Stop a handler meanwhile. A busy host may make it late: then it has ended."""
    attacker.kill(handler, SIGSTOP)
    yield
    with suppress(GuestError):
        attacker.kill(handler, SIGCONT)


@pytest.mark.parametrize(
    "handler", [SIG_DFL, SIG_IGN, 0x400000], ids=["default", "ignored", "handled"]
)
@pytest.mark.parametrize("blocked", [False, True], ids=["", "blocked"])
def test_a_signal_does_not_cut_a_transfer(
    sample: Sample, attacker: Attacker, handler: int, *, blocked: bool
) -> None:
    """It is pending while the handler is stopped halfway, and delivered when all is done."""
    caller = Caller(attacker)
    act(caller, SIGUSR1, handler)
    if blocked:
        block(caller, SIGUSR1)

    def interrupted() -> int:
        sample.write("1")
        pid = sample.pid
        caller.signals.clear()
        with stopped(attacker, pid):
            caller.start("write", sample.fd, b"2", 1)
            attacker.kill(caller.pid, SIGUSR1)
            time.sleep(0.2)
            is_busy = caller.is_busy()
        result = caller.finish()
        assert (is_busy and sample.pid == pid) or result == -ETIMEDOUT
        return result

    assert sample.lates.in_time(interrupted) == 1
    assert caller.signals == ([] if blocked else [SIGUSR1])
    sample.check_started(1)


def test_a_timer_and_the_lazy_load(sample: Sample, attacker: Attacker) -> None:
    """A timer that fires every few milliseconds, through load, start and transfers."""
    caller = Caller(attacker)
    every = 5000
    timer = struct.pack("<4q", 0, every, 0, every)
    assert caller.call("setitimer", 0, timer, 0) == 0
    for offset in b"123":
        assert answers(sample, [(caller, sample.fd)], bytes([offset])) == {1}
        sample.unload()
    assert set(caller.signals) == {SIGALRM}


def test_a_killed_caller(sample: Sample, attacker: Attacker) -> None:
    """The handler goes on. A busy host may make it late, and so end it."""

    def killed() -> int:
        sample.write("1")
        pid, caller = sample.pid, Caller(attacker)
        with stopped(attacker, pid):
            caller.start("write", sample.fd, b"2", 1)
            attacker.kill(caller.pid, SIGKILL)
            time.sleep(0.2)
        assert WTERMSIG(caller.status()) == SIGKILL
        sample.write("3")
        return 0 if sample.pid == pid else -ETIMEDOUT

    assert sample.lates.in_time(killed) == 0
    sample.check_started(1)


def test_a_handler_killed_during_the_transfer(sample: Sample, attacker: Attacker) -> None:
    def killed() -> int:
        sample.write("1")
        pid, caller = sample.pid, Caller(attacker)
        with stopped(attacker, pid):
            caller.start("write", sample.fd, b"2", 1)
            is_busy = caller.is_busy()
            with suppress(GuestError):  # one that is late has ended
                attacker.kill(pid, SIGKILL)
        result = caller.finish()
        assert is_busy or result == -ETIMEDOUT
        assert caller.signals == []
        return result

    assert sample.lates.in_time(killed) == -EFAULT
    sample.write("3")


def test_a_handler_that_closed_its_input(sample: Sample, attacker: Attacker) -> None:
    """The request meets a pipe without a reader: EPIPE and SIGPIPE, were it the caller's write."""

    def closed() -> int:
        sample.write("1")
        pid, caller = sample.pid, Caller(attacker)
        with attacker.seize(pid) as handler:
            handler.run_to_entry("read")
            registers = handler.registers()
            handler.set_registers({**registers, "orig_rax": NUMBERS["close"], "rdi": 0})
            attacker.ptrace(PTRACE_SYSCALL, pid)
            handler.wait()
            # It would read next, find its input closed, and end.
            attacker.kill(pid, SIGSTOP)
        caller.start("write", sample.fd, b"2", 1)
        result = caller.finish()
        assert caller.signals == []
        assert not sample.is_there(pid)
        return result

    # Before any deadline, which would be ETIMEDOUT.
    assert sample.lates.in_time(closed) == -EFAULT
    sample.write("3")
