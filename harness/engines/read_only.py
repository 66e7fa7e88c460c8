# SPDX-License-Identifier: GPL-2.0-only
"""Whether a guest's root can write the host's files: tried, before anything attacks."""

from __future__ import annotations

from contextlib import suppress
from errno import EACCES, EPERM, EROFS
from functools import partial
from os import O_CREAT, O_RDWR, O_TRUNC
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError
from harness.host.errors import UserError, VmLost

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from pathlib import Path

    from harness.attacker import Attacker

_TRIED = "/run/umd/tried"
_NEW = "umd-harness-tried"
_REFUSED = (EROFS, EPERM, EACCES)
_MS_RDONLY, _MS_REMOUNT, _MS_BIND = 1, 32, 4096


def check_read_only(attacker: Attacker, shares: Iterable[str], *, canary: Path) -> None:
    """Try to write, as the guest's root, what the host shares at each of the paths `shares`.

    At the top of one of them is `canary`, by its path on the host. Raises UserError if anything
    was written, VmLost if it cannot be tried.
    """
    before = canary.read_bytes()
    written = [_written(attacker, share, canary=canary.name) for share in shares]
    if canary.read_bytes() != before:
        written.append(f"what {canary.name} holds")
    if any(written):
        raise UserError(
            f"the guest's root can write the host's files: {', '.join(filter(None, written))}",
            hint="take another engine; this one is for hosts whose QEMU shares with readonly=on",
        )


def _written(attacker: Attacker, share: str, *, canary: str) -> str:
    """Return the first thing that could be written, with the mount made writable; empty if none."""
    with attacker.setup():
        attacker.mkdir(_TRIED)
        # A file system of its own at this place: without what is mounted upon it.
        attacker.mount(share, _TRIED, "", _MS_BIND)
        attacker.mount("", _TRIED, "", _MS_REMOUNT)
    top = attacker.listdir(_TRIED)
    ways = dict(_ways(attacker, top, canary=canary))
    written = next((f"{what} ({share})" for what, write in ways.items() if _succeeds(write)), "")
    with attacker.setup():
        attacker.mount("", _TRIED, "", _MS_REMOUNT | _MS_RDONLY)
        attacker.syscall("umount2", _TRIED, 0)
        attacker.syscall("rmdir", _TRIED)
    return written


def _ways(
    attacker: Attacker, top: Collection[str], *, canary: str
) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield the ways to write a share, each by its name. Only the canary would be harmed."""
    if canary in top:
        path = f"{_TRIED}/{canary}"
        yield canary, partial(_overwrite, attacker, path)
        yield f"the mode of {canary}", partial(attacker.chmod, path, 0o600)
        yield f"the name of {canary}", partial(attacker.rename, path, f"{path}.moved")
    for folder in ("", "tmp/", "var/tmp/"):
        if not folder or folder.partition("/")[0] in top:
            path = f"{_TRIED}/{folder}{_NEW}"
            yield f"a new file in /{folder}", partial(_create, attacker, path)
            yield f"a new folder in /{folder}", partial(_make_folder, attacker, f"{path}.d")
    if "etc" in top:
        yield "/etc/passwd", partial(_open_to_write, attacker, f"{_TRIED}/etc/passwd")


def _create(attacker: Attacker, path: str) -> None:
    attacker.open(path, O_RDWR | O_CREAT, 0o600).close()
    with suppress(GuestError):  # written it is, whether or not it can be removed
        attacker.unlink(path)


def _make_folder(attacker: Attacker, path: str) -> None:
    attacker.mkdir(path)
    with suppress(GuestError):
        attacker.syscall("rmdir", path)


def _open_to_write(attacker: Attacker, path: str) -> None:
    attacker.open(path, O_RDWR).close()


def _overwrite(attacker: Attacker, path: str) -> None:
    with attacker.open(path, O_RDWR | O_TRUNC) as file:
        file.write_all(b"overwritten")


def _succeeds(write: Callable[[], None]) -> bool:
    """Whether something was written. Raises VmLost where the attempt says nothing."""
    try:
        write()
    except GuestError as error:
        if error.errno in _REFUSED:
            return False
        raise VmLost(f"writing the host's files was not refused but failed: {error}") from error
    return True
