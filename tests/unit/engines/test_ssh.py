# SPDX-License-Identifier: GPL-2.0-only
"""The stream over SSH: the agent answers, and a hostile server ends in VmLost, in time."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from hand_clock import HandClock
from hypothesis import given, settings
from hypothesis import strategies as st
from local_agent import guest
from local_sshd import listening, new_key, run_agent, sshd

from harness.attacker import Attacker, Channel
from harness.engines import ssh
from harness.engines.ssh import Login, open_stream
from harness.host.errors import VmLost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import paramiko

LOGIN = Login(key=new_key(), host=new_key())


@contextmanager
def attacker_at(port: int, *, reply: float = 60.0, attempt: float = 120.0) -> Iterator[Attacker]:
    stream = open_stream(port, LOGIN, "agent", seconds=60)
    with Channel(stream, reply_seconds=reply, attempt_seconds=attempt) as channel:
        yield Attacker(channel, guest())


def is_lost(port: int, *, seconds: float, login: Login = LOGIN) -> str:
    """Return the message of the VmLost when no session comes about."""
    with pytest.raises(VmLost) as lost:
        open_stream(port, login, "agent", seconds=seconds)
    return str(lost.value)


def test_the_agent_is_at_the_other_end() -> None:
    with sshd(LOGIN) as port, attacker_at(port) as attacker:
        assert attacker.read_file("/proc/self/comm") == b"agent\n"
        assert len(attacker.read_file("/proc/self/environ")) > 0


def test_each_stream_has_an_agent_of_its_own_that_ends_with_it() -> None:
    with sshd(LOGIN) as port:
        with attacker_at(port) as first, attacker_at(port) as second:
            pids = first.getpid(), second.getpid()
            assert pids[0] != pids[1]
        deadline = time.monotonic() + 60
        while any(_runs(pid) for pid in pids):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def _runs(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def test_another_host_key_is_refused_at_the_first_try(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = HandClock()
    monkeypatch.setattr(ssh, "time", clock)
    others = Login(key=LOGIN.key, host=new_key())
    with sshd(others) as port:
        said = is_lost(port, seconds=60)
    assert clock.now == HandClock().now, "the time passes between the tries"
    assert "the guest's host key is not the pinned one: SHA256:" in said


def test_another_key_does_not_log_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A try may take a minute of a busy host. The time passes between the tries."""
    monkeypatch.setattr(ssh, "time", HandClock())
    monkeypatch.setattr(ssh, "_RETRY_SECONDS", 40.0)
    with sshd(LOGIN) as port:
        said = is_lost(port, seconds=60, login=Login(key=new_key(), host=LOGIN.host))
    assert said.startswith("no SSH session within 60 s: ")
    assert "Authentication" in said


def test_who_does_not_listen_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = HandClock()
    monkeypatch.setattr(ssh, "time", clock)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert "no SSH session within 60 s" in is_lost(port, seconds=60)
    assert clock.now > HandClock().now + 60


def _say_nothing(connection: socket.socket) -> None:
    while connection.recv(1 << 16):
        pass


def _say_much(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"SSH" * 10000)


def _greet_and_babble(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-x\r\n")
    while True:
        connection.sendall(os.urandom(10000))


@pytest.mark.parametrize("serve", [_say_nothing, _say_much, _greet_and_babble])
def test_who_is_no_server_is_lost_at_the_deadline(
    serve: Callable[[socket.socket], None],
) -> None:
    with listening(serve) as port:
        assert "no SSH session within 1 s" in is_lost(port, seconds=1)


@settings(max_examples=25, deadline=None)
@given(st.binary(min_size=1, max_size=400))
def test_whatever_comes_after_the_greeting_is_lost(said: bytes) -> None:
    def serve(connection: socket.socket) -> None:
        connection.sendall(b"SSH-2.0-x\r\n" + said)
        connection.shutdown(socket.SHUT_WR)

    with listening(serve) as port:
        assert is_lost(port, seconds=0.1)


def _never_answer(channel: paramiko.Channel) -> None:
    channel.recv(1)
    time.sleep(600)


def _flood(channel: paramiko.Channel) -> None:
    while True:
        channel.sendall(bytes(1 << 15))


def test_silence_ends_at_the_deadline() -> None:
    with (
        sshd(LOGIN, program=_never_answer) as port,
        attacker_at(port, reply=3) as attacker,
        pytest.raises(VmLost, match="no answer before its deadline"),
    ):
        attacker.getpid()


def test_a_flood_is_no_answer() -> None:
    with (
        sshd(LOGIN, program=_flood) as port,
        attacker_at(port) as attacker,
        pytest.raises(VmLost, match="the agent has ended"),
    ):
        attacker.getpid()


def test_a_connection_carries_only_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh._Metered, "left", 4 << 20)
    with sshd(LOGIN, program=_flood) as port:
        stream = open_stream(port, LOGIN, "agent", seconds=60)
        stream.settimeout(60)
        received = 0
        buffer = memoryview(bytearray(1 << 16))
        with pytest.raises(OSError, match="the guest sent more than 256 MiB"):
            while count := stream.recv_into(buffer):
                received += count
        stream.close()
    assert 1 << 20 < received <= 4 << 20


def test_who_does_not_read_is_given_up_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = threading.Event()

    def block(channel: paramiko.Channel) -> None:
        # The socket itself is not read any more, whatever the SSH window allows.
        transport = channel.get_transport()
        monkeypatch.setattr(transport.packetizer, "read_message", lambda: blocked.wait(120))
        channel.send(b"blocked")

    with sshd(LOGIN, program=block) as port:
        stream = open_stream(port, LOGIN, "agent", seconds=60)
        stream.settimeout(60)
        assert stream.recv_into(memoryview(bytearray(16)))
        stream.settimeout(1)
        with pytest.raises(TimeoutError):
            stream.sendall(bytes(64 << 20))
        stream.close()
        blocked.set()


def _garbage(channel: paramiko.Channel) -> None:
    channel.sendall(os.urandom(1 << 16))


def _promise_much(channel: paramiko.Channel) -> None:
    """The length of a packet that is never sent."""
    channel.sendall(b"\x7f\xff\xff\xff\x02")
    time.sleep(30)


def _end(channel: paramiko.Channel) -> None:
    channel.close()


@pytest.mark.parametrize("subsystem", [None, _garbage, _promise_much, _end, _flood])
def test_sftp_that_is_none_loses_the_machine(
    subsystem: Callable[[paramiko.Channel], None] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the end of the attempt, if not before."""
    monkeypatch.setattr("harness.attacker.agent.channel.FILE_SECONDS", 600.0)
    with (
        sshd(LOGIN, program=run_agent, subsystem=subsystem) as port,
        attacker_at(port) as attacker,
    ):
        assert attacker.getpid()
        attacker._channel._attempt_end = time.monotonic() + 3
        with pytest.raises(VmLost, match=r"the file /tmp/burn .* written to the guest"):
            attacker.payload("burn")
        with pytest.raises(VmLost, match=r"the file /tmp/burn .* written to the guest"):
            attacker.getpid()
