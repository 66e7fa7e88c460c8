# SPDX-License-Identifier: GPL-2.0-only
"""An SSH server on this host whose behaviour a test defines; each session runs the real agent."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from io import StringIO
from typing import TYPE_CHECKING, Any

import paramiko
from cryptography.hazmat.primitives import serialization as formats
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from local_agent import agent_stream
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_SUCCEEDED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.engines.ssh import Login


def new_key() -> paramiko.PKey:
    pem = Ed25519PrivateKey.generate().private_bytes(
        formats.Encoding.PEM, formats.PrivateFormat.OpenSSH, formats.NoEncryption()
    )
    return paramiko.Ed25519Key(file_obj=StringIO(pem.decode()))


class Sshd(paramiko.ServerInterface):
    """The server's policy for logins, programs and subsystems."""

    def __init__(
        self,
        login: Login,
        program: Callable[[paramiko.Channel], None],
        subsystem: Callable[[paramiko.Channel], None] | None,
    ) -> None:
        self._login = login
        self._program = program
        self._subsystem = subsystem

    def get_allowed_auths(self, username: str) -> str:
        del username
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        fits = username == "root" and key == self._login.key
        return AUTH_SUCCESSFUL if fits else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        del kind, chanid
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        del command
        threading.Thread(target=_quietly, args=(self._program, channel), daemon=True).start()
        return True

    def check_channel_subsystem_request(self, channel: paramiko.Channel, name: str) -> bool:
        del name
        if self._subsystem is None:
            return False
        threading.Thread(target=_quietly, args=(self._subsystem, channel), daemon=True).start()
        return True


def run_agent(channel: paramiko.Channel) -> None:
    """Run the real agent on a session's streams."""
    with agent_stream() as (ours, _):
        back = threading.Thread(target=_copy, args=(ours, channel), daemon=True)
        back.start()
        _copy(channel, ours)
        ours.shutdown(socket.SHUT_RDWR)
        back.join(5)


@contextmanager
def sshd(
    login: Login,
    *,
    program: Callable[[paramiko.Channel], None] = run_agent,
    subsystem: Callable[[paramiko.Channel], None] | None = None,
) -> Iterator[int]:
    """A server with the login's host key; yields its port."""

    def serve(connection: socket.socket) -> None:
        transport = paramiko.Transport(connection)
        transports.append(transport)
        transport.add_server_key(login.host)
        with suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(server=Sshd(login, program, subsystem))

    transports: list[paramiko.Transport] = []
    with listening(serve) as port:
        try:
            yield port
        finally:
            for transport in transports:
                transport.close()


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port at which `serve` handles every connection, each in its own thread."""

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                threading.Thread(target=_quietly, args=(serve, connection), daemon=True).start()

    connections: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for connection in connections:
                connection.close()


def _copy(
    source: socket.socket | paramiko.Channel, target: socket.socket | paramiko.Channel
) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)


def _quietly(what: Callable[[Any], None], argument: object) -> None:
    """Call it, and ignore that the peer has closed the connection."""
    with suppress(OSError, EOFError, paramiko.SSHException):
        what(argument)
