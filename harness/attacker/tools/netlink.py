# SPDX-License-Identifier: GPL-2.0-only
"""Netlink families that report on processes: the proc connector, and taskstats."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from harness.attacker.agent.files import File
from harness.host.errors import VmLost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.attacker.agent.attacker import Attacker

_AF_NETLINK = 16
_SOCK_DGRAM, _SOCK_CLOEXEC = 2, 0o2000000
_ADDRESS = struct.Struct("<HHII")  # struct sockaddr_nl: family, padding, port, groups
_MESSAGE = struct.Struct("<IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_REQUEST = 1
_ATTRIBUTE = struct.Struct("<HH")  # struct nlattr: length, type
_TYPE = 0x3FFF  # without the two flags
_DATAGRAM = 8192

NLMSG_ERROR = 2


def _aligned(size: int) -> int:
    return (size + 3) & ~3


def message(kind: int, body: bytes) -> bytes:
    """Return a netlink request of type `kind` with this payload."""
    return _MESSAGE.pack(_MESSAGE.size + len(body), kind, _REQUEST, 1, 0) + body


def messages(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the type and payload of each message in a datagram.

    Raises VmLost for a message whose size is impossible.
    """
    while datagram:
        if len(datagram) < _MESSAGE.size:
            raise VmLost("a netlink message without a header")
        size, kind, *_ = _MESSAGE.unpack_from(datagram)
        if not _MESSAGE.size <= size <= len(datagram):
            raise VmLost(f"a netlink message of {size} bytes in {len(datagram)}")
        yield kind, datagram[_MESSAGE.size : size]
        datagram = datagram[_aligned(size) :]


def attribute(kind: int, data: bytes) -> bytes:
    """Return one attribute (`struct nlattr` and data), padded to 4 bytes."""
    size = _ATTRIBUTE.size + len(data)
    return (_ATTRIBUTE.pack(size, kind) + data).ljust(_aligned(size), b"\0")


def attributes(data: bytes) -> dict[int, bytes]:
    """Return the data of the attributes by type. Raises VmLost for an impossible size."""
    found = {}
    while data:
        size, kind = _ATTRIBUTE.unpack_from(data) if len(data) >= _ATTRIBUTE.size else (0, 0)
        if not _ATTRIBUTE.size <= size <= len(data):
            raise VmLost(f"a netlink attribute of {size} bytes in {len(data)}")
        found[kind & _TYPE] = data[_ATTRIBUTE.size : size]
        data = data[_aligned(size) :]
    return found


class Netlink:
    """A socket to one of the kernel's netlink families. It stays open until the agent ends."""

    def __init__(self, attacker: Attacker, protocol: int, *, groups: int = 0) -> None:
        fd = attacker.syscall("socket", _AF_NETLINK, _SOCK_DGRAM | _SOCK_CLOEXEC, protocol)
        attacker.syscall("bind", fd, _ADDRESS.pack(_AF_NETLINK, 0, 0, groups), _ADDRESS.size)
        self._socket = File(attacker, fd)

    def send(self, kind: int, body: bytes) -> None:
        """Send one request of type `kind`."""
        self._socket.write(message(kind, body))

    def receive(self) -> list[tuple[int, bytes]]:
        """Wait for the next datagram; return the type and payload of each of its messages."""
        return list(messages(self._socket.read(_DATAGRAM)))


_CONNECTOR = 11  # NETLINK_CONNECTOR
_PROCESSES = 1  # CN_IDX_PROC and CN_VAL_PROC
_LISTEN = struct.pack("<I", 1)  # PROC_CN_MCAST_LISTEN
_CN_MESSAGE = struct.Struct("<4I2H")  # struct cn_msg: index, value, sequence, ack, length, flags
_FORK = 1  # PROC_EVENT_FORK
_EVENT = struct.Struct("<II8x4I")  # struct proc_event: what, CPU, time; of a fork: four pids


class ProcConnector:
    """The proc connector, which reports every fork, exec and exit (linux/cn_proc.h)."""

    def __init__(self, attacker: Attacker) -> None:
        self._socket = Netlink(attacker, _CONNECTOR, groups=_PROCESSES)
        header = _CN_MESSAGE.pack(_PROCESSES, _PROCESSES, 0, 0, len(_LISTEN), 0)
        self._socket.send(3, header + _LISTEN)  # NLMSG_DONE, which the connector requires

    def forked(self) -> Iterator[int]:
        """Yield the pid of each task that is forked from now on, without end."""
        while True:
            for _, body in self._socket.receive():
                event = body[_CN_MESSAGE.size :]
                if len(event) >= _EVENT.size:
                    what, *_, pid, _ = _EVENT.unpack_from(event)
                    if what == _FORK:
                        yield pid


_GENERIC = 16  # NETLINK_GENERIC, and its controller's id
_GENERIC_HEADER = struct.Struct("<BBH")  # struct genlmsghdr: command, version, padding
_GET_FAMILY, _FAMILY_ID, _FAMILY_NAME = 3, 1, 2  # CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_*
_GET, _REGISTER_CPUMASK = 1, 3  # TASKSTATS_CMD_GET, TASKSTATS_CMD_ATTR_REGISTER_CPUMASK
_OF_PID, _STATS = 4, 3  # TASKSTATS_TYPE_AGGR_PID, TASKSTATS_TYPE_STATS
_ACCOUNT = struct.Struct("<80x32s16xI")  # struct taskstats: ac_comm and ac_pid


class TaskStats:
    """Taskstats, the kernel's accounting record of every task that ends (linux/taskstats.h)."""

    def __init__(self, attacker: Attacker) -> None:
        self._socket = Netlink(attacker, _GENERIC)
        name = attribute(_FAMILY_NAME, b"TASKSTATS\0")
        reply = self._ask(_GENERIC, _GET_FAMILY, name)
        self._family = int.from_bytes(reply[_FAMILY_ID], "little")
        header = _GENERIC_HEADER.pack(_GET, 1, 0)
        self._socket.send(self._family, header + attribute(_REGISTER_CPUMASK, b"0\0"))

    def ended(self) -> Iterator[tuple[bytes, int]]:
        """Yield the name and pid of each task that ends from now on, without end."""
        while True:
            for kind, body in self._socket.receive():
                if kind != self._family:
                    continue
                aggregate = attributes(body[_GENERIC_HEADER.size :]).get(_OF_PID, b"")
                account = attributes(aggregate).get(_STATS, b"")
                if len(account) >= _ACCOUNT.size:
                    name, pid = _ACCOUNT.unpack_from(account)
                    yield name.partition(b"\0")[0], pid

    def _ask(self, kind: int, command: int, body: bytes) -> dict[int, bytes]:
        self._socket.send(kind, _GENERIC_HEADER.pack(command, 1, 0) + body)
        for answer, data in self._socket.receive():
            if answer == kind:
                return attributes(data[_GENERIC_HEADER.size :])
        raise VmLost("netlink did not answer the request for a family")
