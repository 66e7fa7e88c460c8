# SPDX-License-Identifier: GPL-2.0-only
"""Signals with all that root may say about them."""

from __future__ import annotations

import struct

# include/uapi/asm-generic/siginfo.h
_SI_QUEUE = -1
_SIGEV_THREAD_ID = 4
_INFO = struct.Struct("<3i116x")
"""siginfo_t: number, errno and code, then what the code says it is."""
_EVENT = struct.Struct("<Q3i44x")
"""struct sigevent: a value, the signal's number, how to notify, and whom."""


def queued(signal: int) -> bytes:
    """Return the siginfo_t of a signal that a process queues, with rt_sigqueueinfo(2)."""
    return _INFO.pack(signal, 0, _SI_QUEUE)


def event_to(thread: int, signal: int) -> bytes:
    """Return the struct sigevent that has a thread signalled, for timer_create(2)."""
    return _EVENT.pack(0, signal, _SIGEV_THREAD_ID, thread)
