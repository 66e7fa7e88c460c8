# SPDX-License-Identifier: GPL-2.0-only
"""File handles, which identify an inode of a mount without a path (open_by_handle_at(2))."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from harness.attacker.agent.files import File

if TYPE_CHECKING:
    from harness.attacker.agent.attacker import Attacker

_AT_EMPTY_PATH = 0x1000
_MAX_HANDLE_SZ = 128
_HEADER = struct.Struct("<Ii")  # struct file_handle: the size of what follows, and its type
_MOUNT_ID = 4


def name_to_handle_at(attacker: Attacker, fd: int) -> bytes:
    """Call name_to_handle_at(2) on an open file; return its `struct file_handle`."""
    handle = bytearray(_HEADER.pack(_MAX_HANDLE_SZ, 0) + bytes(_MAX_HANDLE_SZ))
    mount = bytearray(_MOUNT_ID)
    attacker.syscall("name_to_handle_at", fd, "", handle, mount, _AT_EMPTY_PATH)
    size, _ = _HEADER.unpack_from(handle)
    return bytes(handle[: _HEADER.size + size])


def open_by_handle_at(attacker: Attacker, mount: int, handle: bytes, flags: int) -> File:
    """Call open_by_handle_at(2); `mount` is the descriptor of any open file of the mount."""
    return File(attacker, attacker.syscall("open_by_handle_at", mount, handle, flags))
