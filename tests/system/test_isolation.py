# SPDX-License-Identifier: GPL-2.0-only
"""The isolation of a user mode driver, seen by root in the guest, and its absence when off."""

from __future__ import annotations

import re
import struct
import time
from errno import ENOPROTOOPT, EPROTO
from os import WNOHANG, WTERMSIG
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM
from typing import TYPE_CHECKING

import pytest
from sample import SELFTEST, Sample

from harness.attacker import Attacker, Channel
from harness.attacker.agent.tracee import (
    PTRACE_SEIZE,
)
from harness.model.variants import VARIANTS
from harness.witness.reader import Witness
from harness.witness.tally import WitnessState

if TYPE_CHECKING:
    from collections.abc import Callable

    from late_replies import Failures

    from harness.lab.images import BootImages
    from harness.lab.lab import Lab

OURS = [name for name, variant in VARIANTS.items() if not variant.is_measured]
PROCESSES = [name for name in OURS if not VARIANTS[name].is_thread]
ISOLATED = [name for name in PROCESSES if VARIANTS[name].protects]
PROPOSALS = [name for name, variant in VARIANTS.items() if variant.proposed]
SECCOMP = {
    "baseline": 0,
    "seccomp-strict": 1,
    "seccomp-filter": 2,
    "proposal-mark": 0,
    "proposal": 1,
    "isolated": 1,
    "isolated-debug": 1,
    "isolated-lockdown": 1,
}
"""The mode in /proc/<pid>/status: none, SECCOMP_MODE_STRICT, SECCOMP_MODE_FILTER."""

SCHED_NORMAL, SCHED_BATCH, SCHED_IDLE = 0, 3, 5
IOPRIO_WHO_PROCESS, IOPRIO_NONE, IOPRIO_BEST_EFFORT_7 = 1, 0, 2 << 13 | 7
ALL_BUT_ONE = 0x1FFBFFFFFFF
"""Of the 41 capabilities: modprobe, which gets the same, needs the most of them."""
RLIMIT_NOFILE = 7
KCMP_VM = 1
F_SETFL, F_SETOWN, F_SETSIG, O_ASYNC = 4, 8, 10, 0x2000
SI_QUEUE = -1
CALL = "/sys/module/umd_selftest/parameters/call"


@pytest.fixture
def variant() -> str:
    """The variant under test, unless the test is parametrized with others."""
    return "isolated"


def fields(attacker: Attacker, path: str) -> dict[str, str]:
    """The lines `name: value` of a /proc file."""
    lines = attacker.read_file(path).decode().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def kib(value: str) -> int:
    return int(value.removesuffix(" kB"))


# What the kernel sets up before the handler's first instruction


@pytest.mark.parametrize("variant", [*PROCESSES, *PROPOSALS])
def test_the_setup(attacker: Attacker, sample: Sample, witness: Witness, variant: str) -> None:
    """Of the witness's handler, started at boot, and of the sample's, started just now."""
    sample.write("1")
    locked = VARIANTS[variant].protects
    full = variant in ISOLATED
    unseen = variant == "proposal" or (full and not VARIANTS[variant].debug)
    for pid in (witness.read().pid, sample.pid):
        status = fields(attacker, f"/proc/{pid}/status")
        assert int(status["Seccomp"]) == SECCOMP[variant]
        assert int(status["Seccomp_filters"]) == (SECCOMP[variant] == 2)
        score = int(attacker.read_file(f"/proc/{pid}/oom_score_adj"))
        assert score == (-1000 if full else 0)
        if unseen:
            assert not any(name.startswith("Vm") for name in status), (
                "its memory is nobody's to see"
            )
            continue
        lockable = kib(status["VmSize"]) - special_kib(attacker)
        assert kib(status["VmLck"]) == (lockable if locked else 0)
        # All of it is there, too: nothing is left to be brought in later.
        assert not locked or kib(status["VmRSS"]) >= lockable
        assert kib(status["VmSwap"]) == 0


def test_an_unknown_defence_leaves_all_of_them(lab: Lab) -> None:
    with lab.machine("proposal-mark", boot="umd_only=locked umd_only=nosuch") as machine:
        witness = Witness(machine, lab.image)
        with Channel(machine.agent_socket()) as channel:
            attacker = Attacker(channel, lab.guest)
            status = fields(attacker, f"/proc/{witness.read().pid}/status")
    assert kib(status["VmLck"]) > 0, "the defences that both lists name"


def special_kib(attacker: Attacker) -> int:
    """The size of the mappings that the kernel gives to every process, which none can lock."""
    maps = attacker.read_file("/proc/self/maps").decode()
    found = re.findall(r"^(\w+)-(\w+) .*\[(?:vdso|vvar\w*)\]$", maps, re.MULTILINE)
    assert found
    return sum(int(end, 16) - int(start, 16) for start, end in found) // 1024


@pytest.mark.parametrize("variant", ["baseline", *ISOLATED])
def test_what_is_inherited(attacker: Attacker, sample: Sample, variant: str) -> None:
    """Root changes what kernel threads pass on to the processes they start."""
    fresh = own_limits(attacker), SCHED_NORMAL, 50000, IOPRIO_NONE, 0
    passed_on = SCHED_IDLE, 123456, IOPRIO_BEST_EFFORT_7, ALL_BUT_ONE
    changed = False
    # A worker that is new comes from kthreadd, with a policy of its own.
    deadline = time.monotonic() + 60
    while not changed and time.monotonic() < deadline:
        spoil_kernel_threads(attacker)
        sample.write("1")
        limits = attacker.read_file(f"/proc/{sample.pid}/limits")
        policy = attacker.syscall("sched_getscheduler", sample.pid)
        slack = int(attacker.read_file(f"/proc/{sample.pid}/timerslack_ns"))
        io_priority = attacker.syscall("ioprio_get", IOPRIO_WHO_PROCESS, sample.pid)
        capabilities = int(fields(attacker, f"/proc/{sample.pid}/status")["CapBnd"], 16)
        got = limits, policy, slack, io_priority, capabilities
        if variant in ISOLATED:
            assert got == fresh
            return
        changed = limits != fresh[0] and got[1:] == passed_on
        sample.unload()
    assert changed


def own_limits(attacker: Attacker) -> bytes:
    """Those that the kernel started out with, but for a small stack and all that may be locked."""
    limits = attacker.read_file("/proc/1/limits")
    for name, value in ((b"stack size", b"262144"), (b"locked memory", b"unlimited")):
        columns = b"Max " + name.ljust(22) + value.ljust(21) + value.ljust(21) + b"bytes"
        limits, changed = re.subn(rb"(?m)^Max %s .*bytes" % name, columns, limits)
        assert changed == 1
    return limits


def spoil_kernel_threads(attacker: Attacker) -> None:
    """Give all workers, and kthreadd, from which new ones come, what nobody wants to have.

    The capabilities of what they start are in a sysctl of their own.
    """
    attacker.write_file(
        "/proc/sys/kernel/usermodehelper/bset",
        b"%d %d" % (ALL_BUT_ONE & 0xFFFFFFFF, ALL_BUT_ONE >> 32),
    )
    last = int(attacker.read_file("/proc/loadavg").split()[-1])
    for pid in range(2, last + 1):
        try:
            name = attacker.read_file(f"/proc/{pid}/comm").decode().strip()
            if name != "kthreadd" and not name.startswith("kworker/u"):
                continue
            attacker.syscall("prlimit64", pid, RLIMIT_NOFILE, struct.pack("<QQ", 60, 60), 0)
            attacker.write_file(f"/proc/{pid}/timerslack_ns", b"123456")
            attacker.syscall("ioprio_set", IOPRIO_WHO_PROCESS, pid, IOPRIO_BEST_EFFORT_7)
            attacker.sched_setscheduler(pid, SCHED_IDLE, 0)
        except OSError:  # it has ended
            continue


# What other processes are denied


def sigqueue(attacker: Attacker, pid: int) -> None:
    info = struct.pack("<iii", SIGTERM, 0, SI_QUEUE).ljust(128, b"\0")
    attacker.syscall("rt_sigqueueinfo", pid, SIGTERM, info)


def pidfd_kill(attacker: Attacker, pid: int) -> None:
    with attacker.pidfd_open(pid) as pidfd:
        attacker.syscall("pidfd_send_signal", pidfd.fd, SIGKILL, 0, 0)


def set_timer_slack(attacker: Attacker, pid: int) -> None:
    attacker.write_file(f"/proc/{pid}/timerslack_ns", b"1000000000")


def set_limit(attacker: Attacker, pid: int) -> None:
    attacker.syscall("prlimit64", pid, RLIMIT_NOFILE, struct.pack("<QQ", 1, 1), 0)


DENIED: dict[str, Callable[[Attacker, int], object]] = {
    "ptrace-attach": lambda a, pid: a.ptrace(PTRACE_SEIZE, pid),
    "ptrace-read": lambda a, pid: a.syscall("kcmp", a.getpid(), pid, KCMP_VM, 0, 0),
    "kill": lambda a, pid: a.kill(pid, SIGKILL),
    "stop": lambda a, pid: a.kill(pid, SIGSTOP),
    "cont": lambda a, pid: a.kill(pid, SIGCONT),
    "tgkill": lambda a, pid: a.tgkill(pid, pid, SIGKILL),
    "sigqueue": sigqueue,
    "pidfd": pidfd_kill,
    "setscheduler": lambda a, pid: a.sched_setscheduler(pid, SCHED_BATCH, 0),
    "setaffinity": lambda a, pid: a.sched_setaffinity(pid, {0}),
    "timerslack": set_timer_slack,
    "setpriority": lambda a, pid: a.syscall("setpriority", 0, pid, 19),
    "ioprio_set": lambda a, pid: a.syscall(
        "ioprio_set", IOPRIO_WHO_PROCESS, pid, IOPRIO_BEST_EFFORT_7
    ),
    "prlimit": set_limit,
}


DEBUGGING = ("ptrace-attach", "ptrace-read")
"""What isolated-debug allows (R7)."""


@pytest.mark.parametrize("variant", ISOLATED)
@pytest.mark.parametrize("name", DENIED)
def test_what_is_denied(
    attacker: Attacker, witness: Witness, failures: Failures, variant: str, name: str
) -> None:
    act = DENIED[name]
    handler = failures.before.pid
    if VARIANTS[variant].debug and name in DEBUGGING:
        act(attacker, handler)
    else:
        with pytest.raises(OSError, match="EPERM"):
            act(attacker, handler)
    act(attacker, attacker.fork())
    check_unharmed(witness, failures)


def check_unharmed(witness: Witness, failures: Failures) -> None:
    """Check that the handler goes on answering, and that only late replies had it started again."""
    right, before = witness.read().count.right, failures.before
    tally = witness.wait(lambda t: t.count.right > right + 16, seconds=60, what="right replies")
    assert (tally.count.wrong, failures.others(tally)) == (0, 0)
    late = failures.late(tally)
    assert tally.generation - before.generation <= late
    assert late or tally.pid == before.pid


@pytest.mark.parametrize("variant", ISOLATED)
def test_a_signal_that_the_kernel_sends_for_root(
    attacker: Attacker, witness: Witness, failures: Failures
) -> None:
    child = attacker.fork()
    for pid in (failures.before.pid, child):
        send_sigio(attacker, pid)
    assert WTERMSIG(ended(attacker, child)) == SIGKILL
    check_unharmed(witness, failures)


@pytest.mark.parametrize("variant", ["baseline"])
def test_that_signal_without_isolation(attacker: Attacker, witness: Witness) -> None:
    handler = witness.read().pid
    send_sigio(attacker, handler)
    witness.wait(lambda t: t.pid != handler, seconds=60, what="other handler")


def send_sigio(attacker: Attacker, pid: int) -> None:
    """Own a pipe in the name of `pid`, and have something arrive in it."""
    ends = bytearray(8)
    attacker.syscall("pipe2", ends, 0)
    reader, writer = struct.unpack("<ii", ends)
    attacker.syscall("fcntl", reader, F_SETOWN, pid)
    attacker.syscall("fcntl", reader, F_SETSIG, SIGKILL)
    attacker.syscall("fcntl", reader, F_SETFL, O_ASYNC)
    attacker.write(writer, b"x")


def ended(attacker: Attacker, child: int, *, seconds: float = 60) -> int:
    """The wait status of a child that is about to end."""
    deadline = time.monotonic() + seconds
    while True:
        pid, status = attacker.waitpid(child, WNOHANG)
        if pid:
            return status
        assert time.monotonic() < deadline, f"child {child} did not end"
        time.sleep(0.01)


@pytest.mark.parametrize("variant", ISOLATED)
def test_signal_0_passes(attacker: Attacker, witness: Witness) -> None:
    attacker.kill(witness.read().pid, 0)


# What still works


@pytest.mark.parametrize("variant", OURS)
def test_the_sample(sample: Sample) -> None:
    """The library starts its handler, talks to it, and kills it to unload it."""
    for offset in ("0", "65537", "131071"):
        sample.write(offset)
        handler = sample.pid
        sample.unload()
        sample.wait_gone(handler)
    sample.check_started(3)


@pytest.mark.parametrize("variant", OURS)
def test_the_kernel_restarts_and_reloads(witness: Witness, failures: Failures) -> None:
    """The witness may be told so at once: it wakes up, and does it."""
    tally = witness.aftermath()
    assert tally.state is WitnessState.DONE
    assert tally.pid != failures.before.pid
    assert (tally.count.wrong, failures.others(tally)) == (0, 0)
    assert tally.count.starts >= 3


# A handler that makes a system call which seccomp forbids


@pytest.mark.parametrize("variant", [*PROCESSES, *PROPOSALS])
@pytest.mark.parametrize("lengths", ["1 1", "4096 4096"])
def test_a_caller_is_told_that_seccomp_killed_the_handler(
    attacker: Attacker, selftest: Sample, variant: str, lengths: str
) -> None:
    """The second request kills the handler. The third kills the next handler while it starts."""
    selftest.write(lengths)
    attacker.write_file(CALL, b"1")
    if SECCOMP[variant]:
        for _ in range(2):
            assert selftest.refused(lengths) == EPROTO
    else:
        selftest.write(lengths)
    attacker.write_file(CALL, b"0")
    selftest.write(lengths)
    selftest.check_started(3 if SECCOMP[variant] else 1)


@pytest.mark.parametrize("variant", ["baseline", *ISOLATED])
def test_a_caller_is_told_that_seccomp_killed_the_handler_at_its_start(
    attacker: Attacker, selftest: Sample, variant: str
) -> None:
    """The load fails. After a load that succeeded, a missing loader gives ENOPROTOOPT."""
    path = f"/lib/modules/{SELFTEST.loader}.ko"
    attacker.write_file(CALL, b"1")
    if variant == "baseline":
        selftest.write("1 1")
    else:
        for _ in range(2):
            assert selftest.refused("1 1") == EPROTO
            assert not selftest.loaded
        attacker.write_file(CALL, b"0")
        selftest.write("1 1")
    selftest.unload()
    attacker.rename(path, "/away.ko")
    assert selftest.refused("1 1") == ENOPROTOOPT


# Another program in the handler's place


@pytest.mark.parametrize("variant", ["baseline", *ISOLATED])
def test_nothing_runs_in_the_place_of_the_blob(
    attacker: Attacker, sample: Sample, images: BootImages, variant: str
) -> None:
    """A program that leaves at once is registered for all that have the handler's ELF header."""
    program = images.kernel.handlers / "sample_umh"
    hijack(attacker, program.read_bytes()[:64])
    if variant == "baseline":
        assert sample.refused("1") == ENOPROTOOPT  # its loader does not load
    else:
        sample.write("1")


def hijack(attacker: Attacker, header: bytes) -> None:
    """Have every program that has this ELF header run as another."""
    attacker.write_file("/short_lived", short_lived(), mode=0o755)
    attacker.mount("none", "/proc/sys/fs/binfmt_misc", "binfmt_misc")
    magic = "".join(f"\\x{byte:02x}" for byte in header[:32])
    rule = f":hijack:M::{magic}::/short_lived:"
    attacker.write_file("/proc/sys/fs/binfmt_misc/register", rule.encode())


def short_lived() -> bytes:
    """A program that leaves at once."""
    code = bytes.fromhex("31 ff b8 3c 00 00 00 0f 05")  # xor edi, edi; mov eax, exit; syscall
    start = 0x400000 + 64 + 56
    header = b"\x7fELF" + bytes([2, 1, 1, 3]) + bytes(8)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, start, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    size = 64 + 56 + len(code)
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, size, size, 4096)
    return header + load + code
