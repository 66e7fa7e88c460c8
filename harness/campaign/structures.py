# SPDX-License-Identifier: GPL-2.0-only
"""Calls whose memory has a grammar of its own: perf events, small BPF programs, rings, futexes.

The types of C say no more than `struct perf_event_attr *`. Random words in it are refused at once.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from harness.campaign.program import Argument, Call, Data, Fact, Made, Number, Pid, Text
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
_KPROBE, _RAW_TRACEPOINT = 2, 17
_TRACEPOINTS: Final = ("sys_enter", "sys_exit", "sched_switch", "sched_wakeup", "signal_deliver")
_LOAD_ATTR, _OPEN_ATTR = 72, 16
_GET_CURRENT_PID_TGID, _PROBE_WRITE_USER, _SEND_SIGNAL, _SEND_SIGNAL_THREAD = 14, 36, 109, 117
_OVERRIDE_RETURN: Final = 58
_GUARDS: Final = (*PIDS, "caller", "caller", "caller")
"""The processes in which a BPF program may act. Elsewhere nothing names the caller, because a
machine gives no conclusion whose witness lost its priority."""

_FUNCTIONS: Final = ("__x64_sys_read", "__x64_sys_write", "should_failslab")
"""Functions whose result a program may replace (ALLOW_ERROR_INJECTION)."""
_SET_BPF: Final = 0x40042408
"""PERF_EVENT_IOC_SET_BPF (include/uapi/linux/perf_event.h)."""

_SCHED_ATTR_FIRST, _SCHED_ATTR = 48, 56

_FUTEX_OPS: Final = (0, 1, 3, 4, 5, 6, 6, 7, 8, 11, 12, 13)
"""FUTEX_WAIT to FUTEX_LOCK_PI2 (include/uapi/linux/futex.h), FUTEX_LOCK_PI twice."""
_FUTEX_PRIVATE: Final = 128
_FIFO: Final = 1


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
    """Return the calls that load a BPF program and attach it to a tracepoint or a function.

    The program acts on the current process, always or if that is a certain one. `at` is the place
    of the first call in the program that is made.
    """
    actions = [
        _signal(random, _SEND_SIGNAL),
        _signal(random, _SEND_SIGNAL_THREAD),
        _write(random.choice(addresses), random.choice(NUMBERS)),
        b"",
    ]
    if random.random() < 0.5:
        loaded = _loaded(random, _RAW_TRACEPOINT, random.choice(actions))
        name = Text(random.choice(_TRACEPOINTS))
        opened = Data(bytes(_OPEN_ATTR), ((0, 8, name), (8, 4, Made(at))))
        return [loaded, Call("bpf", (Number(_RAW_TRACEPOINT_OPEN), opened, Number(_OPEN_ATTR)))]
    override = _override(random.randint(1, 133))
    loaded = _loaded(random, _KPROBE, random.choice((*actions, *(override,) * len(actions))))
    attr = bytearray(_PERF_ATTR)
    struct.pack_into("<I", attr, 4, _PERF_ATTR)
    function = Text(random.choice(_FUNCTIONS))
    probe = Data(bytes(attr), ((0, 4, Fact("kprobe")), (56, 8, function)))
    everyone, cpu, none = Number(-1), Number(0), Number(-1)
    return [
        loaded,
        Call("perf_event_open", (probe, everyone, cpu, none, Number(0))),
        Call("ioctl", (Made(at + 1), Number(_SET_BPF), Made(at))),
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
    """Return the call on a futex whose word names a process as its owner.

    The caller may have a real-time policy, which it lends to the owner.
    """
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
    urgent = struct.pack("<IIQiIQQQ", _SCHED_ATTR_FIRST, _FIFO, 0, 0, 1, 0, 0, 0)
    scheduled = Call("sched_setattr", (Pid("self"), Data(urgent), Number(0)))
    return [*([scheduled] if random.random() < 0.5 else []), Call("futex", args)]


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


def _loaded(random: Random, kind: int, action: bytes) -> Call:
    """Return the call that loads a program: the action if the current process is a certain one.

    Register 6 has the program's context.
    """
    code = _insn(0xBF, to=6, by=1) + _insn(0x85, imm=_GET_CURRENT_PID_TGID) + _insn(0x77, imm=32)
    guard = len(code)
    code += _insn(0x55, offset=len(action) // 8) + action
    code += _insn(0xB7) + _insn(0x95)
    insns = Data(code, ((guard + 4, 4, Pid(random.choice(_GUARDS))),))
    load = bytearray(_LOAD_ATTR)
    struct.pack_into("<II", load, 0, kind, len(code) // 8)
    attr = Data(bytes(load), ((8, 8, insns), (16, 8, Text("GPL"))))
    return Call("bpf", (Number(_PROG_LOAD), attr, Number(_LOAD_ATTR)))


def _override(errno: int) -> bytes:
    """Return the instructions that have the probed function return an errno, and do nothing."""
    return (
        _insn(0xBF, to=1, by=6) + _insn(0xB7, to=2, imm=-errno) + _insn(0x85, imm=_OVERRIDE_RETURN)
    )


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
