# SPDX-License-Identifier: GPL-2.0-only
"""Attacks that hold a lock of uprobes, which a handler takes when it starts or ends."""

from __future__ import annotations

import struct
from errno import EACCES, EPERM
from functools import partial
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import SetupFailed
from harness.attacker.tools.fuse import FOLDER, SilentFile
from harness.attacker.tools.pagemap import PAGE
from harness.attacker.tools.processes import state_at_rest
from harness.attacker.tools.tracefs import define, switch_on
from harness.model.verdict import Effect
from harness.scenarios.registry import scenario

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

LOCKS = 13
"""UPROBES_HASH_SZ (kernel/events/uprobes.c). The address of a file's inode chooses the lock."""
PROBED = 128
STEP = 16
"""Every STEPth file has a uprobe, because inodes that lie a multiple of 13 bytes apart have the
same lock, and neighbours may lie like that."""

_with_lock = partial(
    scenario,
    effect=Effect.AVAILABILITY,
    surface="uprobe-locks",
    answers=("L6", "R16"),
    call="write",
    refused=(EACCES, EPERM),
    target="system",
    debugging=True,
    needs=("UPROBE_EVENTS", "FUSE_FS"),
)


@_with_lock(reach="uprobe_register")
def uprobe_while_it_starts(attacker: Attacker, handler: Handler) -> None:
    """Keep the next handler from starting: mmap() of code waits for FUSE pages with uprobes.

    The kernel holds one of 13 locks while it reads the instruction. Root holds all of them, and the
    handler's exec takes the lock of its blob.
    """
    file = SilentFile(attacker, files=STEP * PROBED + 1)
    _probe(attacker, [f"{FOLDER}/file{STEP * n:04}:0" for n in range(1, PROBED + 1)])
    waiting = _map(attacker, files=PROBED)
    if waiting != LOCKS:  # fewer locks are held; or processes sleep that have mapped their files
        raise SetupFailed(f"{waiting} processes wait as for FUSE, and not one for each lock")
    handler.restart()
    file.end()


@_with_lock(reach="__update_ref_ctr")
def uprobe_while_it_ends(attacker: Attacker, handler: Handler) -> None:
    """Keep the handler from ending: a uprobe's reference counter is on a FUSE page.

    The kernel holds a lock until it has the page. The end of each process takes this lock.
    """
    file = SilentFile(attacker, answered=PAGE, files=STEP + 1)
    _probe(attacker, [f"{FOLDER}/file{STEP:04}:0({PAGE:#x})"])
    _map(attacker, calls=2)
    handler.restart()
    file.end()


def _probe(attacker: Attacker, places: list[str]) -> None:
    for number, place in enumerate(places):
        define(attacker, "uprobe", f"p:cell/probe{number} {place}")
    switch_on(attacker, "cell")


def _map(attacker: Attacker, *, files: int = 1, calls: int = 1) -> int:
    """Have a process for each file map its code, and then its data, until its call number `calls`.

    Wait until each process sleeps. Return how many sleep so that a signal may wake them: as for
    FUSE, and not as for a lock that another process holds. Raises SetupFailed.
    """
    payload = attacker.payload("map_code")
    pids = struct.Struct(f"<{files}q")
    with attacker.setup():
        said, writer = attacker.pipe()
        with writer:
            arguments = FOLDER, *map(str, (files, STEP, calls))
            attacker.spawn(payload, *arguments, stdout=writer.fd)
        told = said.read(pids.size)
        if len(told) < pids.size:
            raise SetupFailed("the payload map_code did not map the files")
        return sum(state_at_rest(attacker, pid) == b"S" for pid in pids.unpack(told))
