# SPDX-License-Identifier: GPL-2.0-only
"""The errors that a user or a cell can meet, apart from programming mistakes."""

from __future__ import annotations

from errno import EACCES, EDQUOT, EFBIG, EIO, EMFILE, ENFILE, ENOMEM, ENOSPC, EPERM, EROFS

FREE_SPACE = "free some space (`umd-harness clean` empties the cache), then try again"

_FULL = (ENOSPC, EDQUOT)
_HINTS = {
    **dict.fromkeys(_FULL, FREE_SPACE),
    **dict.fromkeys((EACCES, EPERM, EROFS), "make it yours to write, or set XDG_CACHE_HOME"),
    **dict.fromkeys((EMFILE, ENFILE), "raise the limit of open files (ulimit -n)"),
    ENOMEM: "free some memory, or take fewer --jobs",
    EFBIG: "raise the limit of file sizes (ulimit -f)",
    EIO: "look into the kernel's log (dmesg): the disk may be failing",
}
_NO_THREAD = "can't start new thread"
"""What Python's RuntimeError says where the system starts no thread."""


class UserError(Exception):
    """Something the user can mend: `message` says what happened, `hint` what to do.

    The command line prints both on one line, without a traceback, and exits with 2.
    """

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}"


class DoesNotBuild(UserError):
    """The requested kernel cannot be built from its sources; another kernel may be."""


def is_full(error: OSError) -> bool:
    """Whether the disk is full, or the user's quota is used up."""
    return error.errno in _FULL


def mendable(error: BaseException) -> UserError | None:
    """Return what the user can do about an error of the system; None if it looks like a defect."""
    if isinstance(error, RuntimeError) and str(error) == _NO_THREAD:
        return UserError(
            "the system starts no more threads",
            hint="take fewer --jobs, or raise the limit of processes (ulimit -u)",
        )
    if not isinstance(error, OSError):
        return None
    hint = _HINTS.get(error.errno or 0)
    if hint is None:
        return None
    where = f"{error.filename}: " if error.filename else ""
    return UserError(f"{where}{error.strerror}", hint=hint)


class VmLost(Exception):
    """The guest or its QEMU is gone, silent or beyond its deadline: no verdict can be drawn.

    `by_guest`: QEMU or the stopped heart says that the guest itself brought the machine down.
    """

    def __init__(self, message: str, *, by_guest: bool = False) -> None:
        super().__init__(message)
        self.by_guest = by_guest


class WrongClock(VmLost):
    """The booting guest measured its clock's frequency wrongly. Another boot may succeed."""


class QemuCrashed(VmLost):
    """QEMU ended by a signal, as bugs make it do. Another process may succeed."""


class BadState(VmLost):
    """No machine goes on from the state that was saved. Another state may be good."""


class TooLate(VmLost):
    """A handler did not reply before the library's deadline. Another try may succeed."""


class Silent(VmLost):
    """The witness did not do in time what it was asked; `alive` tells whether its heart beats."""

    def __init__(self, message: str, *, alive: bool) -> None:
        super().__init__(message, by_guest=not alive)
        self.alive = alive
