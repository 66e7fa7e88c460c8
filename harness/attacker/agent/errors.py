# SPDX-License-Identifier: GPL-2.0-only
"""How an attack can fail, short of losing the machine (`harness.host.errors.VmLost`)."""

from __future__ import annotations

import os
from errno import errorcode


def errno_name(number: int) -> str:
    """Return the name of an errno, `EPERM`, or `errno 4000` for one that has none here."""
    return errorcode.get(number, f"errno {number}")


class GuestError(OSError):
    """A system call that the guest's kernel refused; `call` names it, `errno` says why."""

    def __init__(self, errno: int, call: str) -> None:
        super().__init__(errno, os.strerror(errno))
        self.call = call

    def __str__(self) -> str:
        return f"{errno_name(self.errno or 0)} at {self.call}"


class ShortTransfer(Exception):
    """A call moved fewer bytes than the attack needs: it was not carried through."""

    def __init__(self, call: str, *, count: int, wanted: int) -> None:
        super().__init__(f"{call} moved {count} of {wanted} bytes")
        self.call = call
        self.count = count
        self.wanted = wanted


class SetupFailed(Exception):
    """A step that only prepares the attack failed: the attack itself was not tried."""


class NoTarget(Exception):
    """There is nothing that the attack could act on: believed on a kernel thread alone."""


class ProgramFailed(Exception):
    """An attack program ended in a way that is no end of an attack."""
