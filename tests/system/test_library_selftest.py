# SPDX-License-Identifier: GPL-2.0-only
"""The library's self-test, beyond the published one: faults, every length, and many callers."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from errno import EBADMSG, EFAULT, EINVAL, ENOPROTOOPT, ETIMEDOUT
from os import O_CREAT, O_NONBLOCK, O_TRUNC, O_WRONLY, WNOHANG
from signal import SIGKILL, SIGSTOP
from typing import TYPE_CHECKING

import pytest
from caller import Caller
from late_replies import answers, check_result, lates
from sample import FILE, HANDLER, LOADER, SAMPLE, SELFTEST, Driver, Sample

from harness.attacker.agent.errors import GuestError
from harness.attacker.agent.tracee import PTRACE_DETACH, PTRACE_SYSCALL
from harness.vm.cpu_use import cpu_use

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.attacker import Attacker
    from harness.attacker.agent.tracee import Tracee
    from harness.vm.machine import Machine

REPLY = 131072
"""SAMPLE_REPLY_SIZE of kernel-patches/overlay/samples/umd/sample.h."""
FRESH = "/sys/module/umd_selftest/parameters/fresh"
ORDERS = range(23)
"""Up to SELFTEST_ORDER_MAX of kernel-patches/overlay/kernel/umd_witness/selftest/selftest.h."""


# As published


def test_five_hundred_offsets_and_a_reload_every_fifty(sample: Sample) -> None:
    """As its shell script has it: whole KiB, a newline behind each, the first unload at once."""
    for number in range(500):
        sample.write(f"{number * 1024 % REPLY}\n")
        if number % 50 == 0:
            sample.unload()
            assert not sample.loaded
    sample.check_started(11)


def test_a_manager_goes_after_its_loader(sample: Sample, attacker: Attacker) -> None:
    """It is in use while the loader's module is, and leaves nothing that keeps it from a return."""

    def remove(module: str) -> None:
        attacker.syscall("delete_module", module, O_NONBLOCK)

    lates = sample.lates
    for _ in range(2):
        sample.modprobe(SELFTEST.manager)
        with attacker.open(SELFTEST.file, O_WRONLY) as file:
            lates.in_time(file.write, b"1 1")
            remove(SELFTEST.loader)
            lates.in_time(file.write, b"1 1")
        with pytest.raises(OSError, match="EAGAIN"):
            remove(SELFTEST.manager)
        remove(SELFTEST.loader)
        remove(SELFTEST.manager)
        with pytest.raises(OSError, match="ENOENT"):
            attacker.open(SELFTEST.file, O_WRONLY)


# A handler that dies


def test_a_handler_killed_between_requests(sample: Sample, attacker: Attacker) -> None:
    """Nothing waits for its end: the next request may meet it dying, the one after may not."""
    outcomes = []
    for number in range(40):
        sample.write(str(number))
        attacker.kill(sample.pid, SIGKILL)
        try:
            sample.write("7")
            outcomes.append(0)
        except GuestError as error:
            outcomes.append(error.errno or 0)
    sample.write("8")
    assert set(outcomes) <= {0, EFAULT}
    assert len(sample.started) >= 40


def test_a_handler_killed_before_it_reads(sample: Sample, attacker: Attacker) -> None:
    def act(caller: Caller, handler: Tracee) -> None:
        if caller.is_busy():  # else its request has ended, and not by this
            attacker.kill(handler.pid, SIGKILL)

    sample.write("1")
    check_result(sample, attacker, act, -EFAULT)
    sample.write("3")
    sample.check_started(2)


@pytest.mark.parametrize("variant", ["baseline", "seccomp-strict", "seccomp-filter"])
def test_a_handler_killed_before_it_answers(sample: Sample, attacker: Attacker) -> None:
    """A signal is not seccomp's doing: the caller gets EFAULT under seccomp, too."""

    def act(_: Caller, handler: Tracee) -> None:
        handler.run_to_entry("write")
        attacker.kill(handler.pid, SIGKILL)

    sample.write("1")
    check_result(sample, attacker, act, -EFAULT)
    sample.write("3")
    sample.check_started(2)


# A handler that answers short


def answer(handler: Tracee, attacker: Attacker, count: int, *, claimed: int) -> None:
    """Have the handler's next write(2) move `count` bytes and return `claimed`."""
    handler.run_to_entry("write")
    registers = handler.registers()
    handler.set_registers({**registers, "rdx": count})
    attacker.ptrace(PTRACE_SYSCALL, handler.pid)
    handler.wait()
    written = handler.registers()
    assert written["rax"] == count
    handler.set_registers({**written, "rax": claimed, "rdx": registers["rdx"]})


@pytest.mark.parametrize("count", [0, 1, 65536, REPLY - 1])
def test_a_short_answer_and_an_end(sample: Sample, attacker: Attacker, count: int) -> None:
    """A write that returns 0 is the handler's reason to exit."""

    def act(_: Caller, handler: Tracee) -> None:
        answer(handler, attacker, count, claimed=0)
        attacker.ptrace(PTRACE_DETACH, handler.pid)

    sample.write("1")
    check_result(sample, attacker, act, -EFAULT)
    sample.write("3")
    sample.check_started(2)


@pytest.mark.parametrize("count", [0, REPLY - 1])
@pytest.mark.parametrize("stops", [False, True], ids=["waits", "stops"])
def test_a_short_answer_and_silence(
    sample: Sample, attacker: Attacker, count: int, *, stops: bool
) -> None:
    """It believes that it has answered and waits for the next request, or it just stops."""

    def act(_: Caller, handler: Tracee) -> None:
        answer(handler, attacker, count, claimed=REPLY)
        attacker.ptrace(PTRACE_DETACH, handler.pid, 0, SIGSTOP if stops else 0)

    sample.write("1")
    check_result(sample, attacker, act, -ETIMEDOUT)
    sample.write("3")
    sample.check_started(2)


def test_a_handler_killed_when_it_has_answered(sample: Sample, attacker: Attacker) -> None:
    """The reply is in the pipe whole: it counts, and the next request starts another handler."""

    def act(_: Caller, handler: Tracee) -> None:
        answer(handler, attacker, REPLY, claimed=REPLY)
        attacker.kill(handler.pid, SIGKILL)

    sample.write("1")
    sample.wait_gone(check_result(sample, attacker, act, 1))
    sample.write("3")
    sample.check_started(2)


# No loader


def test_callers_without_a_loader(sample: Sample, attacker: Attacker) -> None:
    path = f"/lib/modules/{LOADER}.ko"
    attacker.rename(path, "/away.ko")
    # A child has the descriptors of its birth.
    fds = [attacker.open(FILE, O_WRONLY).fd for _ in range(4)]
    callers = [(Caller(attacker), fd) for fd in fds]
    for _ in range(3):
        assert answers(sample, callers, b"2") == {-ENOPROTOOPT}
    attacker.rename("/away.ko", path)
    assert answers(sample, callers, b"2") == {1}
    sample.check_started(1)


# Every length


def test_every_power_of_two_in_both_directions(selftest: Sample) -> None:
    for length in (1 << order for order in ORDERS):
        for pair in ((length, 1), (1, length), (length, length)):
            selftest.write(f"{pair[0]} {pair[1]}")
    selftest.check_started(1)


def test_the_longest_is_the_first_of_a_load(selftest: Sample) -> None:
    longest = 1 << ORDERS[-1]
    for _ in range(2):
        selftest.write(f"{longest} {longest}")
        selftest.unload()
    selftest.check_started(2)


# A handler for each message


@pytest.fixture
def fresh(selftest: Sample, attacker: Attacker) -> Sample:
    """The driver, with a handler for each message."""
    attacker.write_file(FRESH, b"1")
    return selftest


def test_each_message_has_a_handler_of_its_own(fresh: Sample) -> None:
    """The load starts the first handler. Each has ended when its reply is there."""
    for number, lengths in enumerate(("1 1", "4096 65536", "131072 1", "1 131072"), start=1):
        fresh.write(lengths)
        fresh.check_started(number)
        assert len(set(fresh.started)) == len(fresh.started)
        assert not fresh.is_there(fresh.pid)


def test_a_handler_stays_when_the_manager_wants_no_more_of_its_own(
    fresh: Sample, attacker: Attacker
) -> None:
    fresh.write("1 1")
    attacker.write_file(FRESH, b"0")
    for _ in range(3):
        fresh.write("1 1")
    fresh.check_started(2)
    assert fresh.is_there(fresh.pid)


def test_the_loader_goes_while_there_is_no_handler(fresh: Sample) -> None:
    for _ in range(3):
        fresh.write("1 1")
        fresh.unload()
        assert not fresh.loaded
    fresh.check_started(3)


def test_callers_at_once_have_a_handler_each(
    fresh: Sample, attacker: Attacker, machine: Machine
) -> None:
    waited = cpu_use(machine.pid).waited
    shells = Shells(attacker)
    for _ in range(4):
        shells.ask(SELFTEST, "4096 4096", until="[ $i -eq 5 ]")
    shells.wait()
    complaints = shells.complaints()
    assert set(complaints) <= lates(machine, waited)
    assert abs(len(set(fresh.started)) - 20) <= len(complaints)


@pytest.mark.parametrize("text", ["", "1", "0 1", "3 1", "1 8388608", "8388608 1", "a 1", "1" * 24])
def test_what_is_no_pair_of_lengths_is_refused(selftest: Sample, text: str) -> None:
    assert selftest.refused(text) == EINVAL
    assert not selftest.loaded


@pytest.mark.parametrize("place", [0, 65535, 65536, REPLY - 1])
def test_one_wrong_byte_is_seen(selftest: Sample, attacker: Attacker, place: int) -> None:
    """The check itself, without which the lengths above would prove nothing."""

    def act(_: Caller, handler: Tracee) -> None:
        handler.run_to_entry("write")
        if place >= 65536:  # the handler's piece
            handler.run_to_entry("write")
        at = handler.registers()["rsi"] + place % 65536
        handler.poke(at, bytes([handler.peek(at, 1)[0] ^ 1]))
        attacker.ptrace(PTRACE_DETACH, handler.pid)

    selftest.write("1 1")
    text = f"4096 {REPLY}"
    check_result(selftest, attacker, act, -EBADMSG, text=text)
    selftest.write(text)
    selftest.check_started(1)


# Many callers


@dataclass
class Shells:
    """Shells in the guest that write side by side, and what they complained of."""

    attacker: Attacker
    running: set[int] = field(default_factory=set)
    said: list[str] = field(default_factory=list)

    def ask(self, driver: Driver, text: str, *, until: str) -> None:
        """Have one more of them write the same to a driver's file until a condition holds."""
        said = f"/said-{len(self.said)}"
        asking = f"echo -n '{text}' >{driver.file}"
        script = f"i=0; until {until}; do {asking}; i=$((i+1)); done"
        with self.attacker.open(said, O_WRONLY | O_CREAT | O_TRUNC, 0o600) as out:
            pid = self.attacker.spawn("/bin/busybox", "sh", "-c", script, stderr=out.fd)
        self.said.append(said)
        self.running.add(pid)

    def wait(self, *, seconds: float = 300) -> None:
        """Wait until all have ended."""
        for _ in tries(seconds):
            for pid in tuple(self.running):
                if self.attacker.waitpid(pid, WNOHANG)[0]:
                    self.running.remove(pid)
            if not self.running:
                return

    def stop(self) -> None:
        """Have those end that ask until it is enough."""
        self.attacker.write_file(ENOUGH, b"", mode=0o600)
        self.wait()

    def complaints(self) -> list[str]:
        """What they complained of, each time that one did."""
        texts = [self.attacker.read_file(said).decode() for said in self.said]
        return [line.rpartition(": ")[2] for text in texts for line in text.splitlines()]


ENOUGH = "/enough"
UNTIL_ENOUGH = f"[ -e {ENOUGH} ]"
EVERYBODY = ((SAMPLE, "131071"), (SAMPLE, "0"), (SELFTEST, "1 65536"), (SELFTEST, "65536 1"))


def tries(seconds: float) -> Iterator[None]:
    """Turns to look again, until it takes too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds:g} s")


def test_many_callers_are_all_served(
    sample: Sample, selftest: Sample, attacker: Attacker, machine: Machine
) -> None:
    """Eight processes, two drivers, and no loader at first: nothing but right answers."""
    waited = cpu_use(machine.pid).waited
    shells = Shells(attacker)
    for driver, text in EVERYBODY * 2:
        shells.ask(driver, text, until="[ $i -eq 25 ]")
    shells.wait()
    complaints = shells.complaints()
    assert set(complaints) <= lates(machine, waited)
    assert 2 <= len(sample.started) + len(selftest.started) <= 2 + len(complaints)


def test_unload_under_load(
    sample: Sample, selftest: Sample, attacker: Attacker, machine: Machine
) -> None:
    """A loader goes between transactions, never in one; who finds it gone again is told so."""
    waited = cpu_use(machine.pid).waited
    shells = Shells(attacker)
    for driver, text in EVERYBODY:
        shells.ask(driver, text, until=UNTIL_ENOUGH)
    unloaded = dict.fromkeys((SAMPLE, SELFTEST), 0)
    for _ in tries(300):
        for driver in unloaded:
            child = attacker.spawn("/sbin/modprobe", "-r", driver.loader)
            unloaded[driver] += attacker.waitpid(child)[1] == 0
        if min(unloaded.values()) >= 10:
            break
    shells.stop()
    assert set(shells.complaints()) <= {"Protocol not available"} | lates(machine, waited)
    assert len(sample.started) >= 10
    assert len(selftest.started) >= 10
    sample.write("1")
    selftest.write("1 1")


def test_kill_under_load(sample: Sample, attacker: Attacker, machine: Machine) -> None:
    """Killed at any moment of its life, start included: a right answer or a failed transfer."""
    waited = cpu_use(machine.pid).waited
    shells = Shells(attacker)
    for text in ("131071", "0", "77777"):
        shells.ask(SAMPLE, text, until=UNTIL_ENOUGH)
    killing = f"until {UNTIL_ENOUGH}; do kill -9 $(pidof {HANDLER}); done"
    killer = attacker.spawn("/bin/busybox", "sh", "-c", killing)
    for _ in tries(300):
        if len(shells.complaints()) >= 3 and len(sample.started) >= 10:
            break
    shells.stop()
    attacker.waitpid(killer)
    assert set(shells.complaints()) - lates(machine, waited) == {"Bad address"}
    sample.write("1")
