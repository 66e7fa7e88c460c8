# SPDX-License-Identifier: GPL-2.0-only
"""The stream to an agent behind sshd: an SSH session with a pinned host key, and SFTP.

The guest is hostile: its root may have replaced sshd. Each wait has a deadline that no received
byte extends, and a connection may receive only a limited number of bytes.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from errno import ECONNABORTED, EPROTO
from io import BytesIO
from typing import TYPE_CHECKING

import paramiko

from harness.host.errors import VmLost

if TYPE_CHECKING:
    from collections.abc import Iterator

# Without a handler, paramiko logs every failed connection to standard error.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

LOOPBACK = "127.0.0.1"
USER = "root"
BYTES_MAX = 256 << 20
"""Bytes that one connection may receive: more than any attack reads, too few to harm the host."""

_RETRY_SECONDS = 0.1
_TRY_SECONDS = 60.0
"""Deadline to establish one connection, which takes 2 s of CPU time without KVM."""
_WORDS = 200
_KEY = "ssh-ed25519"


@dataclass(frozen=True)
class Login:
    """The two Ed25519 keys of a login."""

    key: paramiko.PKey
    """The client's private key, which may log in."""
    host: paramiko.PKey
    """The pinned host key, which the guest's sshd must present."""


class SshStream:
    """The standard streams of a program that sshd started: a FileStream to the agent.

    `sendall`, `recv_into` and `put` raise TimeoutError when the deadline has passed, and OSError
    if the connection is broken.
    """

    def __init__(self, connection: _Connection, channel: paramiko.Channel) -> None:
        self._connection = connection
        self._channel = channel
        self._timeout: float | None = None

    def settimeout(self, value: float | None) -> None:
        """Set the deadline of each further call, in seconds."""
        self._timeout = value

    def sendall(self, data: bytes) -> None:
        """Send all of `data`."""
        with self._connection.within(self._timeout):
            self._channel.settimeout(None)  # `within` closes the connection at the deadline
            self._channel.sendall(data)

    def recv_into(self, buffer: memoryview) -> int:
        """Receive into the start of `buffer`; return how many bytes, 0 at the stream's end."""
        with self._connection.within(self._timeout):
            self._channel.settimeout(self._timeout)
            data = self._channel.recv(len(buffer))
        if not data:
            self._connection.tell_whether_aborted()
        buffer[: len(data)] = data
        return len(data)

    def put(self, path: str, data: bytes, mode: int) -> None:
        """Create a file in the guest over SFTP."""
        with self._connection.within(self._timeout):
            sftp = paramiko.SFTPClient.from_transport(self._connection.transport)
            if sftp is None:
                raise OSError(EPROTO, "no SFTP")
            # putfo asks for the file's size afterwards, and compares it.
            sftp.putfo(BytesIO(data), path, file_size=len(data))
            sftp.chmod(path, mode)
            sftp.close()

    def close(self) -> None:
        """Close the connection, which ends the program."""
        self._connection.close()


def open_stream(port: int, login: Login, command: str, *, seconds: float) -> SshStream:
    """Log in through a port of this host's loopback, and start `command` in the guest.

    Failed connections are repeated for `seconds`, because the guest may still be booting. Raises
    VmLost after that, or at once if the host key is not the pinned one.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return _open(port, login, command, seconds=min(seconds, _TRY_SECONDS))
        except OSError as error:
            if time.monotonic() > deadline:
                raise VmLost(f"no SSH session within {seconds:g} s: {error}") from error
            time.sleep(_RETRY_SECONDS)


def _open(port: int, login: Login, command: str, *, seconds: float) -> SshStream:
    """Try once. Raises OSError if a later try may succeed, VmLost if not."""
    connection = _Connection(port, seconds=seconds)
    try:
        with connection.within(seconds):
            transport = connection.transport
            transport.start_client(timeout=seconds)
            shown = transport.get_remote_server_key()
            if shown != login.host:
                raise VmLost(f"the guest's host key is not the pinned one: {_fingerprint(shown)}")
            if transport.auth_publickey(USER, login.key):
                raise VmLost("the guest's sshd does not accept the key alone")
            channel = transport.open_session(timeout=seconds)
            channel.exec_command(command)
    except BaseException:
        connection.close()
        raise
    return SshStream(connection, channel)


def _fingerprint(key: paramiko.PKey) -> str:
    return str(key.fingerprint)


def _too_much() -> OSError:
    return ConnectionAbortedError(ECONNABORTED, f"the guest sent more than {BYTES_MAX >> 20} MiB")


class _Metered(socket.socket):
    """A socket that receives at most BYTES_MAX, because paramiko buffers without a limit."""

    left = BYTES_MAX

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        data = super().recv(size, flags)
        self.left -= len(data)
        if self.left < 0:
            # paramiko expects an errno in the error.
            raise _too_much()
        return data


class _Connection:
    """A TCP connection, and paramiko's transport on it."""

    def __init__(self, port: int, *, seconds: float) -> None:
        self._socket = _Metered(socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(seconds)
            self._socket.connect((LOOPBACK, port))
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.transport = paramiko.Transport(self._socket)
        except BaseException:
            self._socket.close()
            raise
        self.transport.daemon = True
        self.transport.banner_timeout = self.transport.handshake_timeout = seconds
        self.transport.auth_timeout = seconds
        self.transport.get_security_options().key_types = (_KEY,)

    @contextmanager
    def within(self, seconds: float | None) -> Iterator[None]:
        """Close the connection and raise TimeoutError unless the block ends within `seconds`.

        The timer is needed because not all of paramiko's waits have a deadline. Any exception
        that paramiko raises for malformed input becomes an OSError.
        """
        late = threading.Event()
        timer = threading.Timer(seconds, self._break_off, [late]) if seconds is not None else None
        try:
            if timer is not None:
                timer.daemon = True
                timer.start()
            yield
        except (VmLost, TimeoutError):
            raise
        except Exception as error:
            if late.is_set():
                raise TimeoutError from error
            self.tell_whether_aborted()
            raise OSError(EPROTO, f"{type(error).__name__}: {error}"[:_WORDS]) from error
        finally:
            if timer is not None:
                timer.cancel()
        if late.is_set():
            raise TimeoutError

    def tell_whether_aborted(self) -> None:
        """Raise OSError if the byte limit ended the connection, which paramiko does not report."""
        if self._socket.left < 0:
            raise _too_much()

    def _break_off(self, late: threading.Event) -> None:
        late.set()
        self.close()

    def close(self) -> None:
        """Close transport and socket. Threads that wait on either return at once."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self.transport.close()
        self._socket.close()
