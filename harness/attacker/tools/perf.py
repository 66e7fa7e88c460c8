# SPDX-License-Identifier: GPL-2.0-only
"""perf_event_open(2): events on a task, and the samples in their ring buffer."""

from __future__ import annotations

import struct
from mmap import MAP_SHARED, PROT_READ, PROT_WRITE
from typing import TYPE_CHECKING, NamedTuple

from harness.attacker.agent.files import File

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.attacker.agent.attacker import Attacker

# include/uapi/linux/perf_event.h
PERF_TYPE_SOFTWARE = 1
PERF_COUNT_SW_CONTEXT_SWITCHES = 3
PERF_SAMPLE_TID = 1 << 1
PERF_SAMPLE_CALLCHAIN = 1 << 5
PERF_SAMPLE_REGS_USER = 1 << 12
PERF_SAMPLE_STACK_USER = 1 << 13
PERF_FLAG_FD_CLOEXEC = 1 << 3
DISABLED = 1 << 0
EXCLUDE_KERNEL = 1 << 5
INHERIT = 1 << 1
EXCLUDE_CALLCHAIN_KERNEL = 1 << 21
MMAP = 1 << 8
MMAP_DATA = 1 << 17
REMOVE_ON_EXEC = 1 << 36
SIGTRAP = 1 << 37
_IOC_ENABLE = 0x2400
_RECORD_MMAP = 1
_RECORD_SAMPLE = 9
_CONTEXT_USER = (1 << 64) - 512
REGISTER_SI = 4
"""The number of RSI in arch/x86/include/uapi/asm/perf_regs.h."""

# struct perf_event_attr up to sample_stack_user, padded to PERF_ATTR_SIZE_VER7
_ATTR = struct.Struct("<IIQQQQQII4QI44x")
_HEADER = struct.Struct("<IHH")
_SIZE = struct.Struct("<Q")
_TASK = struct.Struct("<II")
_MAPPED = struct.Struct("<IIQQ")
_DATA_HEAD_AT = 1024

_PAGE = 4096
_RING_PAGES = 16
_RING = _RING_PAGES * _PAGE
STACK = 4096
"""Bytes of user stack requested in each sample."""


class User(NamedTuple):
    """What a sample says of user code."""

    chain: tuple[int, ...]
    """The instruction pointer, and the addresses that its caller's frames return to."""
    registers: tuple[int, ...]
    """The values of the registers that were asked for; empty if there are none."""


class PerfEvent(File):
    """A software event that overflows at each context switch of one task."""

    def __init__(
        self,
        attacker: Attacker,
        pid: int,
        *,
        cpu: int = -1,
        sample: int = 0,
        flags: int = 0,
        registers: int = 0,
    ) -> None:
        """Call perf_event_open(2) with fields of its attr: sample_type, bits, sample_regs_user.

        An inherited event can have a ring buffer only if it is bound to one `cpu`.
        """
        stack = STACK if sample & PERF_SAMPLE_STACK_USER else 0
        attr = _ATTR.pack(
            *(PERF_TYPE_SOFTWARE, _ATTR.size, PERF_COUNT_SW_CONTEXT_SWITCHES),
            *(1, sample, 0, flags, 1, 0),
            *(0, 0, 0, registers, stack),
        )
        fd = attacker.syscall("perf_event_open", attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC)
        super().__init__(attacker, fd)

    def enable(self) -> None:
        """Enable an event that was opened with the flag `DISABLED`."""
        self._attacker.syscall("ioctl", self.fd, _IOC_ENABLE, 0)

    def map_ring(self) -> None:
        """Map the ring buffer that receives the samples, into the agent's memory."""
        size, protection = _RING + _PAGE, PROT_READ | PROT_WRITE
        self._ring = self._attacker.syscall("mmap", 0, size, protection, MAP_SHARED, self.fd, 0)

    def stacks(self) -> list[bytes]:
        """Return the user stacks sampled so far, at most 64 KiB of records.

        The stack of a kernel thread is empty.
        """
        return list(stacks_in(self._records()))

    def users(self, pid: int) -> list[User]:
        """Return what the samples so far say of the user code of one process.

        The event must sample `PERF_SAMPLE_TID`, `PERF_SAMPLE_CALLCHAIN` and one register with
        `PERF_SAMPLE_REGS_USER`.
        """
        return list(users_in(self._records(), pid))

    def mapped(self, pid: int) -> list[range]:
        """Return the addresses of each mapping that one process made, as far as recorded.

        The event must have the flag `MMAP`, and records mappings of data only with `MMAP_DATA`.
        """
        return list(mappings_in(self._records(), pid))

    def _records(self) -> bytes:
        data = self._copy(self._ring, _RING + _PAGE)
        head = int.from_bytes(data[_DATA_HEAD_AT : _DATA_HEAD_AT + 8], "little")
        return data[_PAGE : _PAGE + head]

    def _copy(self, address: int, size: int) -> bytes:
        """Read the agent's own memory, through a memfd."""
        attacker = self._attacker
        with File(attacker, attacker.syscall("memfd_create", "ring", 0)) as copy:
            attacker.syscall("write", copy.fd, address, size)
            return copy.pread(size, 0)


def samples_in(records: bytes) -> Iterator[bytes]:
    """Yield each complete sample without its header; stop at the first malformed record."""
    return (body for body in _bodies(records, _RECORD_SAMPLE) if len(body) >= _SIZE.size)


def mappings_in(records: bytes, pid: int) -> Iterator[range]:
    """Yield the addresses of each mapping of a process; see `PerfEvent.mapped`."""
    for record in _bodies(records, _RECORD_MMAP):
        if len(record) >= _MAPPED.size:
            owner, _, start, size = _MAPPED.unpack_from(record)
            if owner == pid:
                yield range(start, start + size)


def _bodies(records: bytes, wanted: int) -> Iterator[bytes]:
    """Yield each complete record of a kind without its header; stop at the first malformed one."""
    at = 0
    while at + _HEADER.size <= len(records):
        kind, _, size = _HEADER.unpack_from(records, at)
        record = records[at + _HEADER.size : at + size]
        at += size
        if size < _HEADER.size or len(record) < size - _HEADER.size:
            return
        if kind == wanted:
            yield record


def users_in(records: bytes, pid: int) -> Iterator[User]:
    """Yield what each sample of a process says of its user code; see `PerfEvent.users`."""
    for record in samples_in(records):
        words = [word for (word,) in _SIZE.iter_unpack(record[: len(record) // 8 * 8])]
        owner, _ = _TASK.unpack_from(record)
        if owner != pid or len(words) < 3 or len(words) < words[1] + 3:
            continue
        chain, (abi, *registers) = words[2 : 2 + words[1]], words[2 + words[1] :]
        at = chain.index(_CONTEXT_USER) + 1 if _CONTEXT_USER in chain else len(chain)
        yield User(tuple(chain[at:]), tuple(registers if abi else ()))


def stacks_in(records: bytes) -> Iterator[bytes]:
    """Yield the stack of each complete sample; stop at the first malformed record."""
    for record in samples_in(records):
        # A sample has the requested size, as many bytes, and the number of bytes that are valid.
        room = _SIZE.unpack_from(record)[0]
        if room and len(record) == room + 2 * _SIZE.size:
            used = _SIZE.unpack_from(record, _SIZE.size + room)[0]
            yield record[_SIZE.size :][: min(room, used)]
        else:
            yield b""
