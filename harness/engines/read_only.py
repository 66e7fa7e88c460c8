# SPDX-License-Identifier: GPL-2.0-only
"""A test, before any attack, that root in the guest cannot write the host's files."""

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
    """Try, as root in the guest, to write the host's files at each of the mount points `shares`.

    `canary` is the host's path of a file at the top of one share, which may be overwritten. Raises
    UserError if anything was written, VmLost if the attempt fails for another reason than a
    refusal.
    """
    before = canary.read_bytes()
    written = [_written(attacker, share, canary=canary.name) for share in shares]
    if canary.read_bytes() != before:
        written.append(f"what {canary.name} holds")
    if any(written):
        raise UserError(
            f"the guest's root can write the host's files: {', '.join(filter(None, written))}",
            hint="choose another --engine: this host's QEMU does not enforce readonly=on",
        )


def _written(attacker: Attacker, share: str, *, canary: str) -> str:
    """Remount the share writable; return the first object that could be written, empty if none."""
    with attacker.setup():
        attacker.mkdir(_TRIED)
        # A bind mount shows the share itself, without the file systems mounted on it.
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
    """Yield the ways to write a share, with the object written. Only the canary can be damaged."""
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
    with suppress(GuestError):  # the write succeeded, even if the file cannot be removed
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
    """Return whether the write succeeded. Raises VmLost if it failed without being refused."""
    try:
        write()
    except GuestError as error:
        if error.errno in _REFUSED:
            return False
        raise VmLost(f"a write to the host's files failed for another reason: {error}") from error
    return True
