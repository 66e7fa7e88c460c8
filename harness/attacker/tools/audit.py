# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's audit: its switch and its rules, by netlink, and the thread that empties it."""

from __future__ import annotations

import re
import struct
from errno import EAGAIN
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError
from harness.attacker.agent.files import File
from harness.attacker.tools.kernel_threads import threads_named

if TYPE_CHECKING:
    from harness.attacker.agent.attacker import Attacker

# include/uapi/linux/netlink.h
_AF_NETLINK, _SOCK_RAW, _SOCK_NONBLOCK, _NETLINK_AUDIT = 16, 3, 0o4000, 9
_HEADER = struct.Struct("<IHHII")
_REQUEST, _ACK, _ERROR = 1, 4, 2
_ERRNO = struct.Struct("<i")
_ANSWER = 4096
_AT_ONCE = 64

# include/uapi/linux/audit.h: struct audit_status, struct audit_rule_data
_SET, _ADD_RULE = 1001, 1011
_STATUS = struct.Struct("<11I")
_ENABLED, _DAEMON, _BACKLOG = 0x01, 0x04, 0x10
_RULE = struct.Struct("<3I64I64I64I64II")
_AT_EXIT, _ALWAYS = 4, 2
_SYSCALL = 1300
_FIELD = re.compile(rb"(\w+)=(\w+)")
_PID, _EQUAL = 0, 0x40000000
_FIELDS = 64


def find_thread(attacker: Attacker) -> int:
    """The pid of the kernel thread that takes the records out again."""
    for pid in threads_named(attacker, b"kauditd\n"):
        return pid
    raise LookupError("there is no kauditd")


class Audit(File):
    """A netlink socket to the audit."""

    def __init__(self, attacker: Attacker) -> None:
        fd = attacker.syscall("socket", _AF_NETLINK, _SOCK_RAW | _SOCK_NONBLOCK, _NETLINK_AUDIT)
        super().__init__(attacker, fd)

    def enable(self, *, backlog: int) -> None:
        """Switch it on for what is forked from now on; more records than that have to wait.

        So has who causes them, for up to a minute each time.
        """
        self._ask(_SET, enabled(backlog=backlog))

    def record_calls(self, pid: int) -> None:
        """Have each system call that this process makes recorded."""
        self._ask(_ADD_RULE, every_call_of(pid))

    def become_daemon(self) -> None:
        """Be who is sent the records."""
        self._ask(_SET, daemon(self._attacker.getpid()))

    def calls(self) -> list[dict[str, int]]:
        """The first records of system calls that have come: see `call_in`.

        Not all: a process may make its calls as fast as they are read.
        """
        records = []
        try:
            for _ in range(_AT_ONCE):
                call = call_in(self.read(_ANSWER))
                records += [call] if call else []
        except GuestError as error:
            if error.errno != EAGAIN:
                raise
        return records

    def _ask(self, kind: int, payload: bytes) -> None:
        self.write(_HEADER.pack(_HEADER.size + len(payload), kind, _REQUEST | _ACK, 1, 0) + payload)
        if error := errno_in(self.read(_ANSWER)):
            raise GuestError(error, "audit")


def enabled(*, backlog: int) -> bytes:
    """A `struct audit_status` that switches the audit on, and sets this one limit."""
    return _STATUS.pack(_ENABLED | _BACKLOG, 1, 0, 0, 0, backlog, *(0,) * 5)


def daemon(pid: int) -> bytes:
    """A `struct audit_status` that makes the sender, who has this pid, the audit's daemon."""
    return _STATUS.pack(_DAEMON, 0, 0, pid, *(0,) * 7)


def every_call_of(pid: int) -> bytes:
    """A `struct audit_rule_data`: at the exit of whatever system call, for this process, always."""
    rest = (0,) * (_FIELDS - 1)
    every = (0xFFFFFFFF,) * _FIELDS
    return _RULE.pack(_AT_EXIT, _ALWAYS, 1, *every, _PID, *rest, pid, *rest, _EQUAL, *rest, 0)


def errno_in(message: bytes) -> int:
    """The errno in an acknowledgement, 0 for success. Raises ValueError if it is none."""
    if len(message) < _HEADER.size + _ERRNO.size:
        raise ValueError(f"a netlink message of {len(message)} bytes acknowledges nothing")
    _, kind, _, _, _ = _HEADER.unpack_from(message)
    if kind != _ERROR:
        raise ValueError(f"a netlink message of type {kind} acknowledges nothing")
    return -int(_ERRNO.unpack_from(message, _HEADER.size)[0])


def call_in(message: bytes) -> dict[str, int]:
    """The number, result and first arguments in the record of a system call; empty for others."""
    if len(message) < _HEADER.size or _HEADER.unpack_from(message)[1] != _SYSCALL:
        return {}
    found = {name.decode(): text for name, text in _FIELD.findall(message)}
    try:
        decimal = {name: int(found[name]) for name in ("syscall", "exit", "pid")}
        return decimal | {name: int(found[name], 16) for name in ("a0", "a1", "a2", "a3")}
    except (KeyError, ValueError):
        return {}
