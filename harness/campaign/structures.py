# SPDX-License-Identifier: GPL-2.0-only
"""Calls whose memory has a grammar of its own: perf events, small BPF programs, rings, futexes.

The types of C say no more than `struct perf_event_attr *`. Random words in it are refused at once.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from harness.campaign.program import Argument, Call, Data, Made, Number, Pid, Text
from harness.campaign.resources import NUMBERS, PIDS
from harness.campaign.rings import ring_requests

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

_PERF_ATTR: Final = 136
_PERF_TYPES: Final = (0, 1, 1, 2, 5, 5)
"""Hardware, software, tracepoint and breakpoint events (include/uapi/linux/perf_event.h)."""
_PERF_SAMPLES: Final = (0, 1 << 0, 1 << 5, 1 << 12, 1 << 13, 1 << 3)
_PERF_FLAGS: Final = (0, 1 << 0, 1 << 1, 1 << 13, 1 << 36 | 1 << 37)
"""None, disabled, inherit, task, remove_on_exec with sigtrap."""
_BREAKPOINTS: Final = ((1, 8), (2, 8), (3, 4), (4, 8))
"""Type and length: read, write, both, execute."""

_PROG_LOAD, _RAW_TRACEPOINT_OPEN = 5, 17
_RAW_TRACEPOINT: Final = 17
_TRACEPOINTS: Final = ("sys_enter", "sys_exit", "sched_switch", "sched_wakeup", "signal_deliver")
_LOAD_ATTR, _OPEN_ATTR = 72, 16
_GET_CURRENT_PID_TGID, _PROBE_WRITE_USER, _SEND_SIGNAL, _SEND_SIGNAL_THREAD = 14, 36, 109, 117

_SCHED_ATTR: Final = 56

_FUTEX_OPS: Final = (0, 1, 3, 4, 5, 6, 6, 7, 8, 11, 12, 13)
"""FUTEX_WAIT to FUTEX_LOCK_PI2 (include/uapi/linux/futex.h), FUTEX_LOCK_PI twice."""
_FUTEX_PRIVATE: Final = 128


def performance_event(random: Random, addresses: Sequence[int], _at: int) -> list[Call]:
    """Return the call that opens a performance event on a process."""
    kind = random.choice(_PERF_TYPES)
    breakpoint_type, length = random.choice(_BREAKPOINTS) if kind == 5 else (0, 0)
    attr = bytearray(_PERF_ATTR)
    struct.pack_into("<IIQQQ", attr, 0, kind, _PERF_ATTR, random.choice(range(12)), 1, 0)
    struct.pack_into("<Q", attr, 24, random.choice(_PERF_SAMPLES))
    struct.pack_into("<QII", attr, 40, random.choice(_PERF_FLAGS), 1, breakpoint_type)
    if kind == 5:
        struct.pack_into("<QQQ", attr, 8, 0, 1, 0)
        struct.pack_into("<QQ", attr, 56, random.choice(addresses), length)
    args: tuple[Argument, ...] = (
        Data(bytes(attr)),
        Pid(random.choice(PIDS)),
        Number(random.choice((-1, -1, 0))),
        Number(-1),
        Number(random.choice((0, 8))),
    )
    return [Call("perf_event_open", args)]


def bpf_program(random: Random, addresses: Sequence[int], at: int) -> list[Call]:
    """Return the calls that load a BPF program and attach it to a tracepoint.

    The program acts on the current process, always or if that is a certain one. `at` is the place
    of the first call in the program that is made.
    """
    action = random.choice(
        (
            _signal(random, _SEND_SIGNAL),
            _signal(random, _SEND_SIGNAL_THREAD),
            _write(random.choice(addresses), random.choice(NUMBERS)),
            b"",
        )
    )
    code = _insn(0x85, imm=_GET_CURRENT_PID_TGID) + _insn(0x77, imm=32)
    guard = len(code)
    code += _insn(0x55, offset=len(action) // 8) + action
    code += _insn(0xB7) + _insn(0x95)
    insns = Data(code, ((guard + 4, 4, Pid(random.choice(PIDS))),))
    load = bytearray(_LOAD_ATTR)
    struct.pack_into("<II", load, 0, _RAW_TRACEPOINT, len(code) // 8)
    attr = Data(bytes(load), ((8, 8, insns), (16, 8, Text("GPL"))))
    name = Text(random.choice(_TRACEPOINTS))
    opened = Data(bytes(_OPEN_ATTR), ((0, 8, name), (8, 4, Made(at))))
    return [
        Call("bpf", (Number(_PROG_LOAD), attr, Number(_LOAD_ATTR))),
        Call("bpf", (Number(_RAW_TRACEPOINT_OPEN), opened, Number(_OPEN_ATTR))),
    ]


def scheduling(random: Random, _addresses: Sequence[int], _at: int) -> list[Call]:
    """Return the call that sets the scheduling of a process."""
    attr = struct.pack(
        "<IIQiIQQQII",
        _SCHED_ATTR,
        random.choice((0, 1, 2, 3, 5, 6)),
        random.choice((0, 0, 1, 0x20, 0x40)),
        random.choice((0, 19, -20)),
        random.choice((0, 1, 99)),
        *random.choice(((0, 0, 0), (10**6, 10**9, 10**9))),
        random.choice((0, 1024)),
        random.choice((0, 1, 1024)),
    )
    return [Call("sched_setattr", (Pid(random.choice(PIDS)), Data(attr), Number(0)))]


def futex_owned(random: Random, _addresses: Sequence[int], _at: int) -> list[Call]:
    """Return the call on a futex whose word names a process as its owner."""
    word = Data(bytes(8), ((0, 4, Pid(random.choice(PIDS))),))
    other = Data(bytes(8), ((0, 4, Pid(random.choice(PIDS))),))
    op = random.choice(_FUTEX_OPS) | random.choice((0, _FUTEX_PRIVATE))
    args: tuple[Argument, ...] = (
        word,
        Number(op),
        Number(random.choice(NUMBERS)),
        Number(0),
        other,
        Number(random.choice(NUMBERS)),
    )
    return [Call("futex", args)]


COMPOSED: Final[dict[str, Callable[[Random, Sequence[int], int], list[Call]]]] = {
    "perf_event_open": performance_event,
    "bpf": bpf_program,
    "io_uring_setup": ring_requests,
    "futex": futex_owned,
    "sched_setattr": scheduling,
}
"""How the calls of these names are made, most of the time."""


def _insn(code: int, *, to: int = 0, by: int = 0, offset: int = 0, imm: int = 0) -> bytes:
    """Return an instruction (struct bpf_insn)."""
    return struct.pack("<BBhI", code, to | by << 4, offset, imm & 0xFFFFFFFF)


def _signal(random: Random, helper: int) -> bytes:
    """Return the instructions that send the current process a signal."""
    return _insn(0xB7, to=1, imm=random.randint(1, 64)) + _insn(0x85, imm=helper)


def _write(address: int, value: int) -> bytes:
    """Return the instructions that write eight bytes of the current process."""
    return b"".join(
        (
            _insn(0x7A, to=10, offset=-8, imm=value),
            _insn(0x18, to=1, imm=address) + _insn(0, imm=address >> 32),
            _insn(0xBF, to=2, by=10) + _insn(0x07, to=2, imm=-8),
            _insn(0xB7, to=3, imm=8) + _insn(0x85, imm=_PROBE_WRITE_USER),
        )
    )
