# SPDX-License-Identifier: GPL-2.0-only
"""The stream to an agent behind sshd: a session with a pinned host, and files over SFTP.

The guest is hostile: its root may have put anything in sshd's place. Each wait has a deadline
that does not depend on what comes, and a connection carries only so many bytes.
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

# It would tell on standard error of every connection that is not there yet.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

LOOPBACK = "127.0.0.1"
USER = "root"
BYTES_MAX = 256 << 20
"""What one connection may receive: more than any attack reads, and less than harms the host."""

_RETRY_SECONDS = 0.1
_TRY_SECONDS = 60.0
"""How long one connection may take to be set up: 2 s of CPU without KVM, on a busy host more."""
_WORDS = 200
_KEY = "ssh-ed25519"


@dataclass(frozen=True)
class Login:
    """The key that may log in, and the one that the guest must have. Both are Ed25519."""

    key: paramiko.PKey
    host: paramiko.PKey


class SshStream:
    """The standard streams of a program that sshd started, as a stream to the agent."""

    def __init__(self, connection: _Connection, channel: paramiko.Channel) -> None:
        self._connection = connection
        self._channel = channel
        self._timeout: float | None = None

    def settimeout(self, value: float | None) -> None:
        """Give each further call so many seconds."""
        self._timeout = value

    def sendall(self, data: bytes) -> None:
        """Send all of it. Raises TimeoutError, or OSError where the connection broke."""
        with self._connection.within(self._timeout):
            self._channel.settimeout(None)  # the connection's end is the deadline
            self._channel.sendall(data)

    def recv_into(self, buffer: memoryview) -> int:
        """Fill a part of the buffer; 0 bytes are the end. Raises as `sendall` does."""
        with self._connection.within(self._timeout):
            self._channel.settimeout(self._timeout)
            data = self._channel.recv(len(buffer))
        if not data:
            self._connection.tell_whether_aborted()
        buffer[: len(data)] = data
        return len(data)

    def put(self, path: str, data: bytes, mode: int) -> None:
        """Make a file in the guest, over SFTP. Raises as `sendall` does."""
        with self._connection.within(self._timeout):
            sftp = paramiko.SFTPClient.from_transport(self._connection.transport)
            if sftp is None:
                raise OSError(EPROTO, "no SFTP")
            # It asks for the size afterwards, and compares.
            sftp.putfo(BytesIO(data), path, file_size=len(data))
            sftp.chmod(path, mode)
            sftp.close()

    def close(self) -> None:
        """End the program and the connection."""
        self._connection.close()


def open_stream(port: int, login: Login, command: str, *, seconds: float) -> SshStream:
    """Log in at a port of this host's, and start a program there.

    It is tried again while nobody answers in `seconds`: the guest may be booting. Raises VmLost,
    at once for another host key than the pinned one.
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
    """Try once. Raises OSError where it may be too early."""
    connection = _Connection(port, seconds=seconds)
    try:
        with connection.within(seconds):
            transport = connection.transport
            transport.start_client(timeout=seconds)
            shown = transport.get_remote_server_key()
            if shown != login.host:
                raise VmLost(f"the guest's host key is not the pinned one: {_fingerprint(shown)}")
            if transport.auth_publickey(USER, login.key):
                raise VmLost("the guest wants more than the key")
            channel = transport.open_session(timeout=seconds)
            channel.exec_command(command)
    except BaseException:
        connection.close()
        raise
    return SshStream(connection, channel)


def _fingerprint(key: paramiko.PKey) -> str:
    return str(key.fingerprint)


def _too_much() -> OSError:
    return ConnectionAbortedError(ECONNABORTED, f"more than {BYTES_MAX >> 20} MiB came over it")


class _Metered(socket.socket):
    """A socket that receives no more than BYTES_MAX: paramiko keeps whatever comes."""

    left = BYTES_MAX

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        data = super().recv(size, flags)
        self.left -= len(data)
        if self.left < 0:
            # With a number, or paramiko fails over it itself.
            raise _too_much()
        return data


class _Connection:
    """A TCP connection and paramiko's transport on it."""

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
        """Break the connection off unless the block ends in time: then TimeoutError.

        Not all of paramiko's waits have a deadline. What it makes of garbage, whatever that is,
        comes as OSError.
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
            raise OSError(EPROTO, f"{type(error).__name__}: {error}"[:_WORDS]) from error
        finally:
            if timer is not None:
                timer.cancel()
        if late.is_set():
            raise TimeoutError

    def tell_whether_aborted(self) -> None:
        """Raise OSError if it ended since it carried too much, which paramiko keeps to itself."""
        if self._socket.left < 0:
            raise _too_much()

    def _break_off(self, late: threading.Event) -> None:
        late.set()
        self.close()

    def close(self) -> None:
        """Close both, and let go whoever waits; what the guest does about it does not matter."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self.transport.close()
        self._socket.close()
