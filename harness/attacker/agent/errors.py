# SPDX-License-Identifier: GPL-2.0-only
"""The ways an attack fails while the machine still answers (otherwise: VmLost)."""

from __future__ import annotations

import os
from errno import errorcode


def errno_name(number: int) -> str:
    """Return the name of an errno, such as `EPERM`; `errno 4000` for a number without a name."""
    return errorcode.get(number, f"errno {number}")


class GuestError(OSError):
    """A system call of the attacker failed; `errno` has the kernel's error number.

    It is an OSError, but none of OSError's subclasses: for EEXIST catch GuestError and compare
    `errno`, because `except FileExistsError` does not match.
    """

    def __init__(self, errno: int, call: str) -> None:
        super().__init__(errno, os.strerror(errno))
        self.call = call
        """The system call's name."""

    def __str__(self) -> str:
        return f"{errno_name(self.errno or 0)} at {self.call}"


class ShortTransfer(Exception):
    """A system call transferred fewer bytes than the attack needs: the attack is incomplete."""

    def __init__(self, call: str, *, count: int, wanted: int) -> None:
        super().__init__(f"{call} moved {count} of {wanted} bytes")
        self.call = call
        """The system call's name."""
        self.count = count
        """Bytes transferred."""
        self.wanted = wanted
        """Bytes that the attack needs."""


class SetupFailed(Exception):
    """A set-up step failed, so the attack itself was not tried (`SystemCalls.setup`)."""


class NoTarget(Exception):
    """The attack found no target, which counts as `held` only if the handler is a kernel thread."""


class ProgramFailed(Exception):
    """An attack program ended with a status that is not defined for attack programs."""
