# SPDX-License-Identifier: GPL-2.0-only
"""Files of a FUSE file system whose server leaves reads and writes without an answer."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError, SetupFailed
from harness.attacker.agent.syscalls import NAMES

if TYPE_CHECKING:
    from harness.attacker.agent.attacker import Attacker

FOLDER = "/tmp/silent"  # noqa: S108 - the guest's, not ours
_TOLD = struct.Struct("<2q")
_BATCH = 64
"""BATCH in guest-images/payloads/silent_fuse.c."""
_MNT_FORCE, _MNT_DETACH = 1, 2


class SilentFile:
    """A file whose reads and writes take until `end` (payload `silent_fuse`).

    `path` is the file. Process `owner` has its first page mapped at `address`, and does not touch
    that page.
    """

    path = f"{FOLDER}/file0000"

    def __init__(self, attacker: Attacker, *, answered: int = 0, files: int = 1) -> None:
        """Mount the file system, as set-up. Raises SetupFailed.

        Reads within the first `answered` bytes of a file are answered. The file system has so many
        `files`: file0000 and so on.
        """
        self._attacker = attacker
        payload = attacker.payload("silent_fuse")
        with attacker.setup():
            attacker.mkdir(FOLDER)
            said, writer = attacker.pipe()
            with writer:
                attacker.spawn(payload, FOLDER, str(answered), str(files), stdout=writer.fd)
            told = said.read(_TOLD.size)
            if len(told) < _TOLD.size:
                raise SetupFailed("the payload silent_fuse did not mount its file system")
            self.owner, self.address = _TOLD.unpack(told)
            if self.owner < 0:
                raise GuestError(-self.owner, NAMES[self.address])
            for _ in range((files - 1) // _BATCH):
                said.read(1)

    def end(self) -> None:
        """Have all reads and writes that wait fail, and those that come later."""
        with self._attacker.setup():
            self._attacker.syscall("umount2", FOLDER, _MNT_FORCE | _MNT_DETACH)
