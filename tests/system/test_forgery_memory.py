# SPDX-License-Identifier: GPL-2.0-only
"""Attacks that imitate, rewrite or circumvent the witness's own evidence."""

from __future__ import annotations

import struct
import time
from contextlib import suppress
from functools import partial
from hashlib import sha256
from os import O_RDONLY, O_RDWR, O_WRONLY
from select import POLLIN
from signal import SIGCONT, SIGKILL, SIGSTOP
from typing import TYPE_CHECKING

import pytest
from cells import Cells, cells, overwrite, touch
from forger import wait_for

from harness.model.verdict import Verdict
from harness.scenarios import Effect
from harness.scenarios.direct import ptrace_seize
from harness.witness import layout
from harness.witness.tally import WitnessState

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.attacker import Attacker
    from harness.attacker.agent.files import File
    from harness.witness.handler import Handler

    Attack = Callable[[Attacker, Handler], None]

__all__ = ["cells"]

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

NONCE_END = 24
"""Where a message's body begins: after kind, number and nonce (message.h)."""
POLL = struct.Struct("<ihh")  # struct pollfd
LEAK_SECONDS = 60.0
"""How long to wait for each of two handlers, and for the secret of one."""


def true_tally(handler: Handler) -> layout.TallyStruct:
    """The current tally, for an attack to forge."""
    machine = handler._machine
    with machine.paused():
        return layout.TallyStruct.from_buffer_copy(
            machine.read(handler._witness._tally, layout.SIZE)
        )


@pytest.mark.parametrize(
    ("variant", "act", "truth"),
    [
        ("baseline", touch, Verdict.HELD),
        ("baseline", overwrite, Verdict.TAMPERED),
        ("kthread", overwrite, Verdict.HELD),
    ],
)
def test_a_spray_of_tallies_is_not_looked_at(
    cells: Cells, variant: str, act: Attack, truth: Verdict
) -> None:
    """104 of 256 MiB have forged tallies; the host determined the true one's address before."""

    def attack(attacker: Attacker, handler: Handler) -> None:
        forged = true_tally(handler)
        forged.state = WitnessState.DONE
        forged.heartbeat += 1 << 20
        forged.count.wrong = 0 if truth is Verdict.TAMPERED else 99
        attacker.write_file("/tally", bytes(forged), mode=0o600)
        attacker.spawn(attacker.payload("forge_spray"))
        wait_for(attacker, "/sprayed")
        act(attacker, handler)

    outcome = cells.run(attack, variant)
    assert outcome.verdict is truth, outcome.detail


CONTRADICTED = "the witness and the host's own account differ"
TAMPERED_WITNESS = "the witness itself was tampered with"
WHOLE_KERNEL = "an attack on the whole kernel could have changed the witness as well"


def rewrite_tally(attacker: Attacker, handler: Handler, *, adds_up: bool) -> None:
    """Tamper with one reply, then remove it from the tally through kernel memory."""
    ptrace_seize(attacker, handler)
    handler.wait_for_request()
    witness = handler._witness
    assert witness.read().count.wrong == 1
    count = layout.TallyStruct.count.offset
    sent, wrong = (count + getattr(layout.CountStruct, name).offset for name in ("sent", "wrong"))
    with attacker.open("/dev/mem", O_RDWR) as memory:
        for field in (wrong, layout.TallyStruct.violations.offset):
            memory.pwrite(bytes(4), witness._tally + field)
        if adds_up:  # one less was sent, then
            attacker.kill(handler.pid, SIGSTOP)
            less = witness.read().count.right.to_bytes(4, "little")
            memory.pwrite(less, witness._tally + sent)
            attacker.kill(handler.pid, SIGCONT)
    assert witness.read().count.wrong == 0


def test_a_tampered_reply_is_seen(cells: Cells) -> None:
    """What the next test's attack does, but for the tally."""
    assert cells.run(ptrace_seize).verdict is Verdict.TAMPERED


def test_a_rewritten_tally_is_an_error(cells: Cells) -> None:
    """It does not add up; and if it did, the host remembers what it has read before."""
    outcome = cells.run(partial(rewrite_tally, adds_up=False), whole_kernel=True)
    assert (outcome.verdict, outcome.detail) == (Verdict.ERROR, TAMPERED_WITNESS)
    outcome = cells.run(partial(rewrite_tally, adds_up=True), whole_kernel=True)
    assert outcome.verdict is Verdict.ERROR
    assert outcome.detail.startswith(f"{CONTRADICTED}: ")
    assert "count of wrong went back from 1 to 0" in outcome.detail
    outcome = cells.run(touch, whole_kernel=True)
    assert (outcome.verdict, outcome.detail) == (Verdict.ERROR, WHOLE_KERNEL)


def test_a_rewritten_witness_is_an_error(cells: Cells) -> None:
    """Whatever its code says then; root's way into the kernel's text is not the matter here."""

    def attack(attacker: Attacker, handler: Handler) -> None:
        touch(attacker, handler)
        unused = handler._image.physical("umd_witness_receive")  # a thread would call it
        machine = handler._machine
        with machine.paused():
            machine.write(unused + machine.load_offset, b"\x90")

    outcome = cells.run(attack, whole_kernel=True)
    assert (outcome.verdict, outcome.detail) == (Verdict.ERROR, TAMPERED_WITNESS)


def impersonate(
    attacker: Attacker, handler: Handler, *, pipes: Callable[[Attacker, int], Pipes]
) -> None:
    """Take a request from the handler, answer it rightly in its place, and mend its chain."""
    pid, chain, secret = handler.pid, handler.symbol("chain"), handler.symbol("secret")
    requests, replies = pipes(attacker, pid)
    with attacker.open(f"/proc/{pid}/mem", O_RDWR) as mem, requests, replies:
        request = steal(attacker, pid, requests, size=handler.reply_size)
        known = sha256(mem.pread(32, secret)).digest()
        after = sha256(mem.pread(32, chain) + request + known).digest()
        replies.write(request[:NONCE_END] + after)
        mem.pwrite(after, chain)
        attacker.kill(pid, SIGCONT)
    handler.wait_for_request()


Pipes = tuple["File", "File"]


def opened_pipes(attacker: Attacker, pid: int) -> Pipes:
    """The handler's pipes, opened anew."""
    requests = attacker.open(f"/proc/{pid}/fd/0", O_RDONLY)
    return requests, attacker.open(f"/proc/{pid}/fd/1", O_WRONLY)


def own_pipes(attacker: Attacker, pid: int) -> Pipes:
    """The handler's own open files: no pipe has one more reader or writer for that."""
    with attacker.pidfd_open(pid) as handler:
        return attacker.pidfd_getfd(handler.fd, 0), attacker.pidfd_getfd(handler.fd, 1)


def steal(attacker: Attacker, pid: int, requests: File, *, size: int) -> bytes:
    """Stop the handler while it waits and take the next request; it stays stopped."""
    for _ in range(100):
        attacker.kill(pid, SIGSTOP)
        polled = bytearray(POLL.pack(requests.fd, POLLIN, 0))
        if attacker.syscall("poll", polled, 1, 100):
            return requests.read(size)
        # It was stopped over a request: it has to answer that one first.
        attacker.kill(pid, SIGCONT)
    raise AssertionError("no request came while the handler waited")


@pytest.mark.parametrize("pipes", [opened_pipes, own_pipes])
def test_a_right_reply_by_an_impostor_is_tampering(
    cells: Cells, pipes: Callable[[Attacker, int], Pipes]
) -> None:
    """All replies were right, but another process sent one: the handler's pipes had other users."""
    outcome = cells.run(partial(impersonate, pipes=pipes))
    assert (outcome.verdict, outcome.wrongs) == (Verdict.TAMPERED, ("pipes",)), outcome.detail


def leak(attacker: Attacker, handler: Handler, *, looked: bool) -> None:
    """Read the secret of a handler that lives from one kill to the next."""
    first, secret = handler.pid, handler.symbol("secret")
    attacker.kill(first, SIGKILL)
    second = next_handler(attacker, first)
    # Once it has got its secret.
    deadline, shown = time.monotonic() + LEAK_SECONDS, bytes(32)
    while shown == bytes(32) and time.monotonic() < deadline:
        with suppress(OSError):  # it has its name before its memory
            shown = attacker.process_vm_readv(second, secret, 32)
    if looked:
        assert handler.pid == second
    attacker.kill(second, SIGKILL)
    next_handler(attacker, second)
    attacker.show(shown)


def next_handler(attacker: Attacker, after: int) -> int:
    """The pid of the handler that was started after that of `after`, found in the guest."""
    deadline = time.monotonic() + LEAK_SECONDS
    while time.monotonic() < deadline:
        last = int(attacker.read_file("/proc/loadavg").split()[-1])
        for pid in range(after + 1, last + 1):
            with suppress(OSError):
                if attacker.read_file(f"/proc/{pid}/comm") == b"umd_witness_umh\n":
                    return pid
    raise AssertionError("no other handler was started")


@pytest.mark.parametrize("looked", [True, False], ids=["looked at", "between two looks"])
def test_the_secret_of_a_handler_that_is_gone_is_a_leak(cells: Cells, *, looked: bool) -> None:
    outcome = cells.run(
        partial(leak, looked=looked), effect=Effect.CONFIDENTIALITY, seconds=4 * LEAK_SECONDS
    )
    assert outcome.verdict is Verdict.DISRUPTED
    assert outcome.axes.confidentiality
