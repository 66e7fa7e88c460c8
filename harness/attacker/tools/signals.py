# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's structures that describe a signal."""

from __future__ import annotations

import struct

# include/uapi/asm-generic/siginfo.h
_SI_QUEUE = -1
_SIGEV_THREAD_ID = 4
_INFO = struct.Struct("<3i116x")
"""siginfo_t: signal number, errno, code; then a part that depends on the code."""
_EVENT = struct.Struct("<Q3i44x")
"""struct sigevent: value, signal number, kind of notification, thread id."""


def queued(signal: int) -> bytes:
    """Return the siginfo_t of a signal queued by a process, for rt_sigqueueinfo(2)."""
    return _INFO.pack(signal, 0, _SI_QUEUE)


def event_to(thread: int, signal: int) -> bytes:
    """Return the struct sigevent that sends a signal to one thread, for timer_create(2)."""
    return _EVENT.pack(0, signal, _SIGEV_THREAD_ID, thread)
