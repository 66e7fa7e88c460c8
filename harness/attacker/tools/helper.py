# SPDX-License-Identifier: GPL-2.0-only
"""Usermode helpers: what the kernel starts when root has it do so, from a thread of its own."""

from __future__ import annotations

from errno import EAFNOSUPPORT
from socket import SOCK_STREAM
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError

if TYPE_CHECKING:
    from harness.attacker.agent.attacker import Attacker

_MODPROBE = "/proc/sys/kernel/modprobe"
_AF_X25 = 9
"""An address family of which this kernel knows no more than that a module may have it."""


def start_as_helper(attacker: Attacker, path: str) -> None:
    """Have the kernel start a program in place of modprobe, and return when it has ended."""
    modprobe = attacker.read_file(_MODPROBE)
    attacker.write_file(_MODPROBE, path.encode())
    try:
        attacker.syscall("socket", _AF_X25, SOCK_STREAM, 0)
    except GuestError as error:
        if error.errno != EAFNOSUPPORT:
            raise
    attacker.write_file(_MODPROBE, modprobe)
