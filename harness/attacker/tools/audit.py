# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's audit subsystem: state and rules over netlink, and the kernel thread kauditd."""

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
    """Return the pid of kauditd, the kernel thread that delivers the queued audit records.

    Raises LookupError if there is none.
    """
    for pid in threads_named(attacker, b"kauditd\n"):
        return pid
    raise LookupError("there is no kauditd")


class Audit(File):
    """A NETLINK_AUDIT socket. Its methods raise GuestError with `audit` as the refused call."""

    def __init__(self, attacker: Attacker) -> None:
        fd = attacker.syscall("socket", _AF_NETLINK, _SOCK_RAW | _SOCK_NONBLOCK, _NETLINK_AUDIT)
        super().__init__(attacker, fd)

    def enable(self, *, backlog: int) -> None:
        """Enable auditing for processes forked from now on, with at most `backlog` queued records.

        While the queue is full, a process that causes a record waits, for up to 60 s each time.
        """
        self._ask(_SET, enabled(backlog=backlog))

    def record_calls(self, pid: int) -> None:
        """Add a rule that records every system call of process `pid`."""
        self._ask(_ADD_RULE, every_call_of(pid))

    def become_daemon(self) -> None:
        """Register the agent as the audit daemon, which receives the records."""
        self._ask(_SET, daemon(self._attacker.syscall("getpid")))

    def calls(self) -> list[dict[str, int]]:
        """Return the system calls recorded so far, at most 64, as `call_in` parses them.

        The limit is needed because a process can make calls as fast as they are read.
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
    """Return the `struct audit_status` that enables auditing and sets the backlog limit."""
    return _STATUS.pack(_ENABLED | _BACKLOG, 1, 0, 0, 0, backlog, *(0,) * 5)


def daemon(pid: int) -> bytes:
    """Return the `struct audit_status` that makes its sender, process `pid`, the audit daemon."""
    return _STATUS.pack(_DAEMON, 0, 0, pid, *(0,) * 7)


def every_call_of(pid: int) -> bytes:
    """Return the `struct audit_rule_data` that records every system call of `pid` at its exit."""
    rest = (0,) * (_FIELDS - 1)
    every = (0xFFFFFFFF,) * _FIELDS
    return _RULE.pack(_AT_EXIT, _ALWAYS, 1, *every, _PID, *rest, pid, *rest, _EQUAL, *rest, 0)


def errno_in(message: bytes) -> int:
    """Return the errno of a netlink acknowledgement, 0 for success.

    Raises ValueError if the message is not an acknowledgement.
    """
    if len(message) < _HEADER.size + _ERRNO.size:
        raise ValueError(f"a netlink message of {len(message)} bytes acknowledges nothing")
    _, kind, _, _, _ = _HEADER.unpack_from(message)
    if kind != _ERROR:
        raise ValueError(f"a netlink message of type {kind} acknowledges nothing")
    return -int(_ERRNO.unpack_from(message, _HEADER.size)[0])


def call_in(message: bytes) -> dict[str, int]:
    """Parse an AUDIT_SYSCALL record; return an empty dict for any other message.

    The keys are `syscall` (its number), `exit` (its result), `pid`, and `a0` to `a3` (its first
    arguments).
    """
    if len(message) < _HEADER.size or _HEADER.unpack_from(message)[1] != _SYSCALL:
        return {}
    found = {name.decode(): text for name, text in _FIELD.findall(message)}
    try:
        decimal = {name: int(found[name]) for name in ("syscall", "exit", "pid")}
        return decimal | {name: int(found[name], 16) for name in ("a0", "a1", "a2", "a3")}
    except (KeyError, ValueError):
        return {}
