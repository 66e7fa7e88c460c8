# SPDX-License-Identifier: GPL-2.0-only
"""Hostile streams: whatever the guest sends, the answer is VmLost, and soon."""

from __future__ import annotations

import os
import resource
import socket
import struct
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hand_clock import HandClock
from hypothesis import given, settings
from hypothesis import strategies as st
from local_agent import agent_stream

from harness.attacker import Attacker, Channel, GuestError, ShortTransfer
from harness.attacker.agent.protocol import ARENA, CALL_FORK
from harness.guests.initramfs import GuestImage
from harness.host.errors import VmLost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Buffer

REPLY = struct.Struct("<IIq")


def attacker_on(stream: socket.socket, *, reply: float = 60, attempt: float = 300) -> Attacker:
    channel = Channel(stream, reply_seconds=reply, attempt_seconds=attempt)
    nowhere = Path("/nowhere")
    return Attacker(channel, GuestImage(key="", initramfs=nowhere, payloads=nowhere))


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, guests = socket.socketpair()
    with ours, guests:
        yield ours, guests


def test_silence_ends_at_the_deadline(pair: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(VmLost, match="no answer"):
        attacker_on(pair[0], reply=0.3, attempt=3600).getpid()


def test_bytes_that_trickle_do_not_prolong_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = HandClock()
    monkeypatch.setattr("harness.attacker.agent.channel.time", clock)
    answer = iter(REPLY.pack(12, 1, 0))

    class Trickle(socket.socket):
        """Receives the bytes of a reply, with 2 s between any two."""

        def sendall(self, data: Buffer, flags: int = 0, /) -> None:
            """Send nothing."""

        def recv_into(self, buffer: memoryview, *_: int) -> int:  # type: ignore[override]
            clock.sleep(2)
            buffer[0] = next(answer)
            return 1

    with Trickle() as stream, pytest.raises(VmLost, match="no answer"):
        attacker_on(stream, reply=2 * REPLY.size - 3).getpid()
    assert len(list(answer)) == 1


def test_a_guest_that_reads_nothing_ends_at_the_deadline(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    with pytest.raises(VmLost, match="accepted no request"):
        attacker_on(pair[0], reply=0.3).write(1, bytes(900_000))


def test_the_attempt_as_a_whole_has_an_end(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, guests = pair
    clock = HandClock()
    monkeypatch.setattr("harness.attacker.agent.channel.time", clock)
    attacker = attacker_on(ours, reply=60, attempt=100)
    for ident in (1, 2):
        guests.sendall(REPLY.pack(12, ident, 5))
        assert attacker.getpid() == 5
        clock.now += 50
    guests.sendall(REPLY.pack(12, 3, 5))
    with pytest.raises(VmLost, match="before its deadline"):
        attacker.getpid()


def test_the_channel_closes_its_stream(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, guests = pair
    with Channel(ours):
        pass
    assert guests.recv(1) == b""
    with pytest.raises(VmLost, match="broke"):
        attacker_on(ours).getpid()


@pytest.mark.parametrize(
    ("frame", "complaint"),
    [
        (REPLY.pack(12, 7, 0), "answered request 7"),
        (REPLY.pack(12, 0, 0), "agent has ended"),
        (REPLY.pack(13, 1, 0), "size"),
        (REPLY.pack(11, 1, 0), "size"),
        (REPLY.pack(0, 1, 0), "size"),
        (REPLY.pack(0xFFFFFFFF, 1, 0), "size"),
        (REPLY.pack(12, 1, 0)[:-1], "ended"),
        (b"", "ended"),
        (b"\xff" * 64, "answered request"),
    ],
)
def test_a_frame_that_is_not_a_reply(
    pair: tuple[socket.socket, socket.socket], frame: bytes, complaint: str
) -> None:
    ours, guests = pair
    guests.sendall(frame)
    guests.shutdown(socket.SHUT_WR)
    attacker = attacker_on(ours)
    for _ in range(2):
        with pytest.raises(VmLost, match=complaint):
            attacker.getpid()


def test_a_read_beyond_what_was_asked(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, guests = pair
    guests.sendall(REPLY.pack(12 + 4, 1, 5) + b"abcd")
    with pytest.raises(VmLost, match="cannot transfer 5"):
        attacker_on(ours).read(0, 4)


def test_a_write_beyond_what_was_given(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, guests = pair
    guests.sendall(REPLY.pack(12, 1, 2**62))
    with pytest.raises(VmLost, match="cannot transfer"):
        attacker_on(ours).write(1, b"abcd")


def test_a_file_without_an_end(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, guests = pair
    size = 256 << 10

    def serve() -> None:
        with suppress(OSError):
            guests.sendall(REPLY.pack(12, 1, 3))
            for ident in range(2, 200):
                guests.sendall(REPLY.pack(12 + size, ident, size) + bytes(size))

    thread = threading.Thread(target=serve)
    thread.start()
    with pytest.raises(VmLost, match="more than"):
        attacker_on(ours).read_file("/proc/endless\x1b")
    guests.shutdown(socket.SHUT_RDWR)
    thread.join(timeout=60)


def test_no_reply_makes_the_host_allocate(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, guests = pair
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    guests.sendall(REPLY.pack(0xFFFFFFF0, 1, 2**62) + b"x" * 1000)
    with pytest.raises(VmLost):
        attacker_on(ours).read(0, 4096)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 << 10


def test_errnos_nobody_has_and_wait_statuses_nobody_sends(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, guests = pair
    attacker = attacker_on(ours)
    guests.sendall(REPLY.pack(12, 1, -4000))
    with pytest.raises(GuestError, match="errno 4000 at getpid"):
        attacker.getpid()
    guests.sendall(REPLY.pack(12 + 4, 2, 1) + b"\xff" * 4)
    _, status = attacker.waitpid(1)
    os.WIFSTOPPED(status)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.integers(-(2**63), 2**63 - 1), st.booleans())
def test_forged_bytes_are_refusals_or_vmlost(noise: bytes, result: int, well_formed: bool) -> None:
    """Every call of an attack is answered by noise behind a plausible header."""
    head = b"".join(REPLY.pack(12, ident, result) for ident in range(1, 4)) if well_formed else b""
    attacks: tuple[Callable[[Attacker], object], ...] = (
        lambda attacker: attacker.read_file("/x"),
        lambda attacker: attacker.process_vm_readv(1, 2, 3),
        lambda attacker: attacker.seize(1).__enter__().run_to_entry("write"),
        lambda attacker: attacker.waitpid(1),
        lambda attacker: attacker.spawn("/x", "y"),
    )
    for attack in attacks:
        ours, guests = socket.socketpair()
        with ours, guests, suppress(VmLost, GuestError, ShortTransfer):
            guests.sendall(head + noise)
            guests.shutdown(socket.SHUT_WR)
            attack(attacker_on(ours, reply=1))


def spans(*entries: tuple[int, int]) -> bytes:
    return b"".join(struct.pack("<QII", address, size, 0) for address, size in entries)


@pytest.mark.parametrize(
    "frame",
    [
        struct.pack("<I", 0xFFFFFFFF),
        struct.pack("<II", 4, 1),
        # writes and reads: outside, past the end, wrapping round, more than there are bytes for
        struct.pack("<IQ6QII", 1, 39, *[0] * 6, 1, 0) + spans((0x400000, 4)) + b"abcd",
        struct.pack("<IQ6QII", 1, 39, *[0] * 6, 1, 0) + spans((ARENA + (1 << 20) - 2, 4)) + b"abcd",
        struct.pack("<IQ6QII", 1, 39, *[0] * 6, 0, 1) + spans((2**64 - 2, 4)),
        struct.pack("<IQ6QII", 1, 39, *[0] * 6, 1, 0) + spans((ARENA, 5)) + b"abcd",
        struct.pack("<IQ6QII", 1, 39, *[0] * 6, 1, 0) + spans((ARENA, 3)) + b"abcd",
        struct.pack("<IQ6QII", 1, 39, *[0] * 6, 2**32 - 1, 2),
        struct.pack("<IQ6QII", 1, 39, *[0] * 6, 0, 2) + spans((ARENA, 1 << 20), (ARENA, 1)),
    ],
)
def test_the_agent_leaves_at_a_bad_frame(frame: bytes) -> None:
    with agent_stream() as (stream, process):
        whole = frame if len(frame) == 4 else struct.pack("<I", len(frame)) + frame
        stream.sendall(whole)
        stream.settimeout(60)
        assert stream.recv(1) == b""
        assert process.wait(timeout=60) == 1


def test_the_agent_takes_a_frame_in_pieces() -> None:
    with agent_stream() as (stream, process):
        frame = struct.pack("<IIQ6QII", 68, 9, 39, *[0] * 6, 0, 0)
        for byte in frame:
            stream.sendall(bytes([byte]))
            time.sleep(0.001)
        stream.settimeout(60)
        assert REPLY.unpack(stream.recv(64)) == (12, 9, process.pid)


def test_a_forked_child_says_nothing() -> None:
    with agent_stream() as (stream, _):
        stream.sendall(struct.pack("<IIQ6QII", 68, 1, CALL_FORK, *[0] * 6, 0, 0))
        stream.settimeout(60)
        assert REPLY.unpack(stream.recv(64))[2] > 0
        stream.settimeout(0.1)
        with pytest.raises(TimeoutError):
            stream.recv(1)
