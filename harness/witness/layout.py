# SPDX-License-Identifier: GPL-2.0-only
"""The tally's memory layout, as in overlay/kernel/umd_witness/tally.h."""

from __future__ import annotations

import ctypes
import struct

MAGIC = 0x5353454E54495755
"""`UWITNESS`, the tally's first 8 bytes."""
VERSION = 7
"""The layout's version, raised here and in tally.h with every change."""
PHASES = 3
"""Phases of the aftermath."""
RECORDS = 128
"""The latest requests that are kept."""
SECRETS = 16
"""The latest handlers whose secrets' hashes are kept."""
NAMED = 8
"""Functions that the witness can watch at a time."""
RETURNS = 8
"""The latest calls of a handler's outside of its allow-list that are kept."""
HASH_BYTES = 32
"""Bytes of a hash, and of a message's body."""
MESSAGE_BYTES = 56
"""Bytes of a message (struct witness_message in message.h)."""
HOOKS = 64
"""Hooks of security modules that are counted."""


class CountStruct(ctypes.LittleEndianStructure):
    """struct witness_count."""

    _fields_ = [
        ("sent", ctypes.c_uint32),
        ("right", ctypes.c_uint32),
        ("wrong", ctypes.c_uint32),
        ("failed", ctypes.c_uint32),
        ("starts", ctypes.c_uint32),
        ("loads", ctypes.c_uint32),
        ("error", ctypes.c_int32),
        ("unused", ctypes.c_uint32),
    ]


class RecordStruct(ctypes.LittleEndianStructure):
    """struct witness_record."""

    _fields_ = [
        ("number", ctypes.c_uint32),
        ("generation", ctypes.c_uint32),
        ("error", ctypes.c_int32),
        ("wrong", ctypes.c_uint32),
        ("nanoseconds", ctypes.c_uint64),
    ]


class SeenStruct(ctypes.LittleEndianStructure):
    """struct witness_seen."""

    _fields_ = [
        ("function", ctypes.c_int64),
        ("on_handler", ctypes.c_uint32),
        ("elsewhere", ctypes.c_uint32),
        ("on_handler_in_call", ctypes.c_uint32),
        ("elsewhere_in_call", ctypes.c_uint32),
    ]


class HookStruct(ctypes.LittleEndianStructure):
    """struct witness_hook."""

    _fields_ = [
        ("function", ctypes.c_int64),
        ("on_handler", ctypes.c_uint32),
        ("can_refuse", ctypes.c_uint32),
    ]


_CODES: dict[object, str] = {
    ctypes.c_int32: "i",
    ctypes.c_uint32: "I",
    ctypes.c_int64: "q",
    ctypes.c_uint64: "Q",
}


def unpacker(kind: type[ctypes.LittleEndianStructure]) -> struct.Struct:
    """Return what reads an array of a structure, in a quarter of the time that ctypes takes."""
    return struct.Struct("<" + "".join(_CODES[field[1]] for field in kind._fields_))


class ReturnStruct(ctypes.LittleEndianStructure):
    """struct witness_return."""

    _fields_ = [("call", ctypes.c_uint64), ("result", ctypes.c_int64)]


class EscapeStruct(ctypes.LittleEndianStructure):
    """struct witness_escape."""

    _fields_ = [
        ("asked", ctypes.c_uint32),
        ("returned", ctypes.c_uint32),
        ("failed", ctypes.c_uint32),
        ("exits", ctypes.c_uint32),
        ("calls", ReturnStruct * RETURNS),
    ]


class ChallengeStruct(ctypes.LittleEndianStructure):
    """struct witness_challenge."""

    _fields_ = [
        ("generation", ctypes.c_uint32),
        ("error", ctypes.c_int32),
        ("chain", ctypes.c_uint8 * HASH_BYTES),
        ("request", ctypes.c_uint8 * MESSAGE_BYTES),
        ("reply", ctypes.c_uint8 * MESSAGE_BYTES),
    ]


class TallyStruct(ctypes.LittleEndianStructure):
    """struct umd_witness_tally."""

    _fields_ = [
        ("magic", ctypes.c_uint64),
        ("version", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
        ("heartbeat", ctypes.c_uint64),
        ("sequence", ctypes.c_uint32),
        ("state", ctypes.c_uint32),
        ("command", ctypes.c_uint32),
        ("phase", ctypes.c_uint32),
        ("generation", ctypes.c_uint32),
        ("pid", ctypes.c_int32),
        ("violations", ctypes.c_uint32),
        ("vmforks", ctypes.c_uint32),
        ("slowest", ctypes.c_uint64),
        ("page_table", ctypes.c_uint64),
        ("chain", ctypes.c_uint64),
        ("count", CountStruct),
        ("phases", CountStruct * PHASES),
        ("secrets_sha256", ctypes.c_uint8 * HASH_BYTES * SECRETS),
        ("records", RecordStruct * RECORDS),
        ("exits", ctypes.c_uint32),
        ("exit_code", ctypes.c_int32),
        ("demoted", ctypes.c_uint32),
        ("unused", ctypes.c_uint32),
        ("escape", EscapeStruct),
        ("named", SeenStruct * NAMED),
        ("hooks", HookStruct * HOOKS),
        ("challenge", ChallengeStruct),
    ]


SIZE = ctypes.sizeof(TallyStruct)
"""Bytes of the tally."""
