# SPDX-License-Identifier: GPL-2.0-only
"""Attacks on the agent, its channel or its privileges get no wrong verdict."""

from __future__ import annotations

import struct
import time
from errno import EPERM
from fcntl import F_SETFD
from os import O_RDONLY, O_RDWR
from typing import TYPE_CHECKING

import pytest
from cells import Cells, cells, overwrite, touch
from forger import CHANNEL_FD, NEVER_REACHED, frame, hurry, last_request, results, write

from harness.attacker.agent.protocol import ARENA
from harness.attacker.agent.syscalls import NUMBERS
from harness.model.attempt_end import End
from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.attacker import Attacker
    from harness.witness.handler import Handler

    Attack = Callable[[Attacker, Handler], None]

__all__ = ["cells"]

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

CAP_SYS_PTRACE = 19
SECCOMP_SET_MODE_FILTER = 1
COMMUNICATION = b"0x07"  # the PCI class


def answer_twice(attacker: Attacker) -> None:
    """Make the agent's own reply the second one, and the first of the next request."""
    reply = frame(last_request(attacker) + 1, len(frame(0, 0)))
    assert attacker.write(CHANNEL_FD, reply) == len(reply)
    attacker.getpid()


def answer_late(attacker: Attacker) -> None:
    """Sleep beyond the host's patience."""
    hurry(attacker)
    attacker.syscall("nanosleep", struct.pack("<2q", 60, 0), 0)


def answer_by_halves(attacker: Attacker) -> None:
    """Cut a reply off: what comes next is taken for its rest."""
    half = frame(last_request(attacker) + 1, 8)[:8]
    attacker.write(CHANNEL_FD, half)


def announce_a_huge_reply(attacker: Attacker) -> None:
    """Say that four gigabytes follow."""
    hurry(attacker)
    attacker.write(CHANNEL_FD, struct.pack("<IIq", 0xFFFFFFFF, last_request(attacker) + 1, 16))


def announce_an_empty_reply(attacker: Attacker) -> None:
    """Say that not even the result follows."""
    attacker.write(CHANNEL_FD, struct.pack("<IIq", 0, last_request(attacker) + 1, 16))


def claim_the_impossible(attacker: Attacker) -> None:
    """Say that more was written than there was."""
    attacker.write(CHANNEL_FD, frame(last_request(attacker) + 1, 1 << 40))


def close_the_channel(attacker: Attacker) -> None:
    """Take the agent's channel away."""
    attacker.close(CHANNEL_FD)


def close_the_channel_for_good(attacker: Attacker) -> None:
    """Freeze pid 1 first, which would otherwise report the agent's death."""
    hurry(attacker)
    attacker.mkdir("/sys/fs/cgroup/frozen")
    attacker.write_file("/sys/fs/cgroup/frozen/cgroup.procs", b"1")
    attacker.write_file("/sys/fs/cgroup/frozen/cgroup.freeze", b"1")
    attacker.close(CHANNEL_FD)


def freeze_the_agent(attacker: Attacker) -> None:
    """Stop the agent in its cgroup."""
    hurry(attacker)
    attacker.mkdir("/sys/fs/cgroup/frozen")
    attacker.write_file("/sys/fs/cgroup/frozen/cgroup.procs", b"0")
    attacker.write_file("/sys/fs/cgroup/frozen/cgroup.freeze", b"1")
    attacker.getpid()


def talk_on(attacker: Attacker) -> None:
    """Make calls until the host has heard enough, as it must."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        attacker.getpid()


def never_come_to_an_end(attacker: Attacker) -> None:
    """Answer every call with data that never lets the attack finish."""
    attacker._channel._attempt_end = time.monotonic() + 0.5
    talk_on(attacker)


def unbind_the_channel(attacker: Attacker) -> None:
    """Take the driver off the device that the channel is."""
    hurry(attacker)
    write(attacker, "/sys/bus/virtio/drivers/virtio_console/unbind", "virtio0")


def unplug_the_channel(attacker: Attacker) -> None:
    """Take the device off the bus."""
    hurry(attacker)
    for slot in attacker.listdir("/sys/bus/pci/devices"):
        device = f"/sys/bus/pci/devices/{slot}"
        if attacker.read_file(f"{device}/class").startswith(COMMUNICATION):
            write(attacker, f"{device}/remove", "1")


def flood(attacker: Attacker, *command: str) -> None:
    """Have another process write to the channel without an end, and speak on until it does."""
    attacker.spawn("/bin/busybox", *command, stdout=CHANNEL_FD)
    talk_on(attacker)


def flood_with_text(attacker: Attacker) -> None:
    """Write lines for ever."""
    flood(attacker, "yes", "held")


def flood_with_zeros(attacker: Attacker) -> None:
    """Write farewells for ever."""
    flood(attacker, "cat", "/dev/zero")


MEDDLING = (
    answer_twice,
    answer_late,
    answer_by_halves,
    announce_a_huge_reply,
    announce_an_empty_reply,
    claim_the_impossible,
    close_the_channel,
    close_the_channel_for_good,
    freeze_the_agent,
    never_come_to_an_end,
    unbind_the_channel,
    unplug_the_channel,
    flood_with_text,
    flood_with_zeros,
)


@pytest.mark.parametrize("act", [touch, overwrite])
@pytest.mark.parametrize("meddle", MEDDLING)
def test_meddling_with_the_channel_is_an_error(
    cells: Cells, meddle: Callable[[Attacker], None], act: Attack
) -> None:
    """Whether the attack had won or not: a conversation that broke off proves neither."""

    def attack(attacker: Attacker, handler: Handler) -> None:
        act(attacker, handler)
        meddle(attacker)

    outcome = cells.run(attack)
    assert (outcome.verdict, outcome.attempt_end.end) == (Verdict.ERROR, End.LOST)
    assert not cells.left()


def replace_agent(attacker: Attacker, *, openat: int) -> None:
    """Put a liar in the agent's place: its `openat` result is made up, as all others are."""
    path = attacker.payload("forge_agent")
    attacker.syscall("fcntl", CHANNEL_FD, F_SETFD, 0)
    # Three calls of write_file, then the execve itself.
    lie = struct.pack("<qI", openat, last_request(attacker) + 4)
    attacker.write_file("/lie", lie, mode=0o600)
    attacker.syscall("execve", path, 0, 0)


@pytest.mark.parametrize("variant", ["baseline", "isolated", "kthread"])
@pytest.mark.parametrize("openat", [7, -EPERM], ids=["success", "refusal"])
def test_an_impostor_of_the_agent_proves_nothing(cells: Cells, variant: str, openat: int) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        replace_agent(attacker, openat=openat)
        overwrite(attacker, handler)

    outcome = cells.run(attack, variant)
    assert (outcome.verdict, outcome.detail) == (Verdict.ERROR, NEVER_REACHED)
    end = "completed" if openat > 0 else "refused: EPERM at openat"
    assert str(outcome.attempt_end) == end


def test_an_impostor_of_the_agent_hides_nothing(cells: Cells) -> None:
    def attack(attacker: Attacker, handler: Handler) -> None:
        overwrite(attacker, handler)
        replace_agent(attacker, openat=-EPERM)
        attacker.open(f"/proc/{handler.pid}/mem", O_RDWR)

    outcome = cells.run(attack)
    assert str(outcome.attempt_end) == "refused: EPERM at openat"
    assert outcome.verdict is Verdict.TAMPERED


def test_a_replaced_agent_file_changes_nothing(cells: Cells) -> None:
    """The program on disk is not what runs, and nothing starts it again."""

    def attack(attacker: Attacker, handler: Handler) -> None:
        forged = attacker.read_file(attacker.payload("forge_agent"))
        attacker.unlink("/init")
        attacker.write_file("/init", forged, mode=0o755)
        overwrite(attacker, handler)

    assert cells.run(attack).verdict is Verdict.TAMPERED


def refuse_to_oneself(attacker: Attacker, call: str, errno: int) -> None:
    """Have a seccomp filter refuse the agent a system call, by the kernel's own mouth."""
    number_of, equal, give, allow = 0x20, 0x15, 0x06, 0x7FFF0000
    program = b"".join(
        struct.pack("<HBBI", code, yes, no, value)
        for code, yes, no, value in (
            (number_of, 0, 0, 0),
            (equal, 0, 1, NUMBERS[call]),
            (give, 0, 0, 0x00050000 | errno),
            (give, 0, 0, allow),
        )
    )
    header = struct.pack("<H6xQ", len(program) // 8, ARENA + 16)
    attacker.syscall("seccomp", SECCOMP_SET_MODE_FILTER, 0, header + program)


@pytest.mark.parametrize("variant", ["baseline", "isolated", "kthread"])
def test_a_refusal_by_the_attackers_own_filter_is_no_refusal(cells: Cells, variant: str) -> None:
    """A true errno of the true call, in which the policy under test has no part."""

    def attack(attacker: Attacker, handler: Handler) -> None:
        refuse_to_oneself(attacker, "openat", EPERM)
        overwrite(attacker, handler)

    outcome = cells.run(attack, variant)
    assert (outcome.verdict, outcome.detail) == (Verdict.ERROR, NEVER_REACHED)
    assert str(outcome.attempt_end) == "refused: EPERM at openat"


def test_a_refusal_for_want_of_a_right_given_away_wins_nothing(cells: Cells) -> None:
    """The kernel was asked and did refuse, which is all true: the control has not won."""

    def attack(attacker: Attacker, handler: Handler) -> None:
        header = bytearray(struct.pack("<Ii", 0x20080522, 0))
        data = bytearray(24)
        attacker.syscall("capget", header, data)
        sets = list(struct.unpack("<6I", data))
        attacker.open(f"/proc/{handler.pid}/exe", O_RDONLY).close()
        kept = [word & ~(1 << CAP_SYS_PTRACE) for word in sets[:3]]
        attacker.syscall("capset", bytes(header), struct.pack("<6I", *kept, *sets[3:]))
        overwrite(attacker, handler)

    reported = results(cells, attack, "isolated")
    assert not reported["baseline"].ok
    assert reported["isolated"].verdict is Verdict.ERROR
    assert "control baseline did not win" in reported["isolated"].detail
