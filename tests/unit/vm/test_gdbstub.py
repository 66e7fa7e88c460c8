# SPDX-License-Identifier: GPL-2.0-only
"""The gdb remote protocol, with a stub that gives a test's answers."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from harness.host.errors import VmLost
from harness.vm import gdbstub
from harness.vm.gdbstub import Gdbstub, packet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PACKET = re.compile(rb"\+*\$([^#]*)#(..)", re.DOTALL)


@contextmanager
def stub(answer: Callable[[str], bytes]) -> Iterator[tuple[Gdbstub, list[str]]]:
    """A connection, and the payloads that `answer` received."""
    ours, its = socket.socketpair()
    asked: list[str] = []

    def serve() -> None:
        pending = b""
        while data := its.recv(4096):
            pending += data
            while found := PACKET.match(pending):
                pending = pending[found.end() :]
                payload = found[1].decode()
                assert int(found[2], 16) == sum(found[1]) % 256
                asked.append(payload)
                its.sendall(answer(payload))

    server = threading.Thread(target=serve)
    server.start()
    with its, ours:
        try:
            yield Gdbstub(ours), asked
        finally:
            ours.shutdown(socket.SHUT_RDWR)
            server.join(60)


class Memory:
    """Serve memory as QEMU's stub does."""

    def __init__(self, size: int) -> None:
        self.data = bytearray(size)

    def answer(self, payload: str) -> bytes:
        if payload == "Qqemu.PhyMemMode:1":
            return b"+" + packet("OK")
        found = re.fullmatch(r"([mM])([0-9a-f]+),([0-9a-f]+):?([0-9a-f]*)", payload)
        assert found, payload
        address, size = int(found[2], 16), int(found[3], 16)
        if address + size > len(self.data):
            return b"+" + packet("E14")
        if found[1] == "m":
            return b"+" + packet(self.data[address : address + size].hex())
        self.data[address : address + size] = bytes.fromhex(found[4])
        return b"+" + packet("OK")


def test_a_packet_carries_its_checksum() -> None:
    assert packet("OK") == b"$OK#9a"


def test_what_is_written_is_read_back_in_packets_that_qemu_takes() -> None:
    memory = Memory(8192)
    data = bytes(range(256)) * 20
    with stub(memory.answer) as (gdb, asked):
        gdb.connect()
        gdb.write(100, data)
        assert gdb.read(100, len(data)) == data
    assert asked[0] == "Qqemu.PhyMemMode:1"
    assert len(asked) == 1 + 2 * -(-len(data) // gdbstub.CHUNK)
    assert max(map(len, asked)) < 4096
    assert memory.data[:100] == bytes(100)
    assert memory.data[100 : 100 + len(data)] == data


def test_an_error_is_not_data() -> None:
    with stub(Memory(16).answer) as (gdb, _):
        with pytest.raises(VmLost, match="E14"):
            gdb.read(8, 16)
        with pytest.raises(VmLost, match="E14"):
            gdb.write(8, bytes(16))


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"+" + packet("00"), "answers b'00' to m0,2"),
        (b"+" + packet("zzzz"), "answers b'zzzz'"),
        (b"+$0000#00", "wrong checksum"),
        (b"+$0000#zz", "wrong checksum"),
        (b"+" + b"$" + b"0" * 20000, "hung up"),
    ],
)
def test_a_reply_that_is_none_is_a_lost_machine(reply: bytes, reason: str) -> None:
    with stub(lambda _: reply) as (gdb, _), pytest.raises(VmLost, match=reason):
        gdb.read(0, 2)


def test_a_reply_may_come_in_pieces() -> None:
    ours, its = socket.socketpair()
    with ours, its:
        gdb = Gdbstub(ours)
        pieces = (b"+", b"$f", b"f00#", b"2", b"c")

        def dribble() -> None:
            its.recv(100)
            for piece in pieces:
                its.sendall(piece)

        server = threading.Thread(target=dribble)
        server.start()
        assert gdb.read(0, 2) == b"\xff\x00"
        server.join(60)


def test_silence_and_an_end_are_a_lost_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gdbstub, "SECONDS", 0.05)
    ours, its = socket.socketpair()
    with ours, its:
        gdb = Gdbstub(ours)
        with pytest.raises(VmLost, match="timed out"):
            gdb.connect()
        its.close()
        with pytest.raises(VmLost, match=r"hung up|gone"):
            gdb.connect()
