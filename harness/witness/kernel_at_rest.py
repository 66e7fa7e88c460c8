# SPDX-License-Identifier: GPL-2.0-only
"""The guest's kernel compared with itself before the attack, from outside, while it is paused.

Compared are its text, its read-only data, its interrupt table, the page table of its image, and
the CPU registers that lead into it. The kernel patches some places of its text itself, for ftrace,
static calls and kprobes. There only what such a patch can look like is accepted.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from harness.host.errors import VmLost
from harness.vm.guest_ram import PAGE
from harness.vm.paging import ACCESSED
from harness.witness.kernel_mapping import mapping, tables_below
from harness.witness.patch_sites import STATIC_BYTES, TRACED_BYTES, patch_sites

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.kernel.build.images import KernelImage
    from harness.vm.guest_ram import Change, Mark
    from harness.vm.machine import Machine
    from harness.witness.patch_sites import PatchSites

_LINKED = 0xFFFFFFFF80000000
"""The virtual address to which physical address 0 is linked (__START_KERNEL_map)."""
_READ_ONLY = (("_stext", "_etext"), ("__start_rodata", "__end_rodata"))
_IDT, _TALLY = "idt_table", "umd_witness_tally"
_KEPT = (*_READ_ONLY, ("_sdata", "_edata"), ("__bss_start", "__bss_stop"))
"""The parts of the image that are mapped for good. What lies between is freed after boot."""
_LEADING = {"init_top_pgt": 511, "level3_kernel_pgt": 510}
"""The page tables that lead to the kernel's image, and the entry of each that does
(arch/x86/kernel/head_64.S). The other entries map memory and modules."""
_IMAGE_TABLE = "level2_kernel_pgt"
"""The page table of the kernel's image."""
_DIRTY = 1 << 6
_INT3, _CALL, _JUMP = 0xCC, 0xE8, 0xE9
_JUMP_BYTES = 5
_TAIL_BYTES = _JUMP_BYTES - 1
_PROBE = "optprobe_template_clac", "optprobe_template_val"
"""Each optimized kprobe has a copy of the kernel's template. The kernel changes 3 bytes of the copy
at the first symbol, and all from the second on (arch/x86/kernel/kprobes/opt.c)."""
_NOT_ZERO = re.compile(rb"[^\0]")
_NOP = bytes.fromhex("0f1f440000")
_ENTRY = re.compile(r"^(GDT|IDT)= +([0-9a-f]+ [0-9a-f]+)|(CR0|CR4|EFER)=([0-9a-f]+)", re.MULTILINE)
_KEPT_BITS = {"CR0": 1 << 31 | 1 << 16 | 1, "CR4": 3 << 20 | 1 << 11, "EFER": 1 << 11 | 1}
"""Paging, write protection, protected mode; SMAP, SMEP, UMIP; no-execute, system calls. Other
bits change while the kernel runs."""


class KernelAtRest:
    """The kernel of one machine, as it was when this object was made.

    A restored machine's kernel is compared with the saved state's.
    """

    def __init__(self, machine: Machine, kernel: KernelImage) -> None:
        self._machine, self._kernel = machine, kernel
        with machine.paused():
            self._code = [self._mark(start, end) for start, end in _READ_ONLY]
            self._idt, self._tally = self._mark(_IDT), self._mark(_TALLY)
            self._leading = {name: self._mark(name) for name in _LEADING}
            table = self._mark(_IMAGE_TABLE)
            below = tables_below(table.was(table.address, PAGE))
            self._tables = [table, *(machine.ram.mark(at, PAGE) for at in below)]
            self._registers = entry_registers(machine.registers())

    def change(self) -> str:
        """Return what the first change is, by the kernel's own symbols; empty if there is none.

        Raises VmLost if the host does not see what changes.
        """
        with self._machine.paused():
            return next(self._changes(), "")

    def _changes(self) -> Iterator[str]:
        ram = self._machine.ram
        if not ram.changes(self._tally):  # it has the heartbeat
            raise VmLost("the host does not see what the guest writes")
        for mark, what in zip(self._code, ("text", "read-only data"), strict=True):
            for change in ram.changes(mark):
                yield from self._foreign(change, what)
        if ram.changes(self._idt):
            yield "the interrupt table"
        for name, mark in self._leading.items():
            if any(is_remapped(change, _LEADING[name]) for change in ram.changes(mark)):
                yield f"the page table {name}"
        if any(ram.changes(table) for table in self._tables) and self._is_mapped_anew():
            yield "the page table of the kernel's image"
        if entry_registers(self._machine.registers()) != self._registers:
            yield "the CPU's registers GDTR, IDTR, CR0, CR4 or EFER"

    def _foreign(self, change: Change, what: str) -> Iterator[str]:
        """Yield what a change of a page is, unless the kernel may have made it."""
        linked = change.address - self._machine.load_offset + _LINKED
        sites = patch_sites(self._kernel) if what == "text" else None
        before = self._machine.read(change.address - _TAIL_BYTES, _TAIL_BYTES)
        after = self._machine.read(change.address + PAGE, _TAIL_BYTES)
        beside = before, after
        at = foreign_byte(linked, change.was, change.now, sites, self._is_probe, beside=beside)
        if at is not None:
            symbol = self._kernel.symbol_at(at)
            yield f"{what} at {symbol}+{at - self._kernel.symbol(symbol):#x}"

    def _is_probe(self, target: int) -> bool:
        """Whether a jump to that address, as linked, leads to the code of an optimized kprobe."""
        machine, known = self._machine, self._kernel.symbols
        if not known.keys() >= set(_PROBE):
            return False
        first, end = (self._kernel.physical(name) + machine.load_offset for name in _PROBE)
        template = machine.read(first + 3, end - first - 3)
        top = self._kernel.physical("init_top_pgt") + machine.load_offset
        copied = target + machine.placement.slide + known[_PROBE[0]] + 3
        copied -= known["optprobe_template_entry"]
        try:  # a copy is on one page
            return machine.read(machine.walk(top, copied), len(template)) == template
        except VmLost:  # there is nothing
            return False

    def _mark(self, start: str, end: str = "") -> Mark:
        """Return the mark of the pages between two symbols, or of the page of one."""
        first = self._kernel.physical(start)
        size = self._kernel.physical(end) - first if end else PAGE
        return self._machine.ram.mark(first + self._machine.load_offset, -(-size // PAGE) * PAGE)

    def _is_mapped_anew(self) -> bool:
        """Whether a part of the image is mapped elsewhere, or with other permissions."""
        linked = self._kernel.physical
        offset = self._machine.load_offset
        kept = [range(linked(start) + offset, linked(end) + offset) for start, end in _KEPT]
        marks = {mark.address: mark for mark in self._tables}
        table = self._tables[0].address
        was = mapping(lambda at, size: marks[at].was(at, size), table, kept)
        return was != mapping(self._machine.read, table, kept)


def foreign_byte(
    linked: int,
    was: bytes,
    now: bytes,
    sites: PatchSites | None,
    is_probe: Callable[[int], bool],
    *,
    beside: tuple[bytes, bytes] = (b"", b""),
) -> int | None:
    """Return the linked address of the first byte that the kernel did not change itself.

    `linked` is the address of the page. Without `sites` the kernel changes nothing. `is_probe`
    tells whether a jump to a linked address is an optimized kprobe's. `beside` has the bytes before
    and after the page: a jump may be on two pages.
    """
    before, after = beside
    code, start = before + now + after, linked - len(before)
    for offset in _differing(was, now):
        if sites and _is_own(linked, offset, now, sites):
            continue
        if not sites or not any(map(is_probe, _jumps(start, offset + len(before), code))):
            return linked + offset
    return None


def _differing(was: bytes, now: bytes) -> Iterator[int]:
    """Yield the offsets at which two pages differ."""
    difference = int.from_bytes(was, "big") ^ int.from_bytes(now, "big")
    for found in _NOT_ZERO.finditer(difference.to_bytes(len(was), "big")):
        yield found.start()


def _jumps(linked: int, offset: int, code: bytes) -> Iterator[int]:
    """Yield where the jumps lead that the byte at an offset in the code may be a part of."""
    last = min(offset, len(code) - _JUMP_BYTES)
    for start in range(max(0, offset - _TAIL_BYTES), last + 1):
        if code[start] == _JUMP:
            end = start + _JUMP_BYTES
            yield linked + end + int.from_bytes(code[start + 1 : end], "little", signed=True)


def _is_own(linked: int, offset: int, now: bytes, sites: PatchSites) -> bool:
    """Whether the byte at an offset in a page is of a patch at a known site, or a breakpoint."""
    at = linked + offset
    if now[offset] == _INT3:  # a kprobe; without one, the CPU's trap is the kernel's end
        return True
    if any(at - back in sites.static for back in range(STATIC_BYTES)):
        return True
    back = next((n for n in range(TRACED_BYTES) if at - n in sites.traced), None)
    if back is None:
        return False
    start = offset - back
    if not 0 <= start <= PAGE - TRACED_BYTES:  # the call is on two pages
        return True
    return _is_tracing(linked + start, now[start : start + TRACED_BYTES], sites)


def _is_tracing(at: int, code: bytes, sites: PatchSites) -> bool:
    """Whether the code at a traced function's call is ftrace's: the nop, or a call of a tracer."""
    if code == _NOP or code[0] == _INT3:
        return True
    target = at + TRACED_BYTES + int.from_bytes(code[1:], "little", signed=True)
    if target in sites.text:
        return code[0] == _CALL and target in sites.tracers
    return code[0] == _CALL or (code[0] == _JUMP and sites.jumps)


def is_remapped(change: Change, number: int) -> bool:
    """Whether an entry of a page table differs in more than the accessed and the dirty bit."""
    was, now = (struct.unpack_from("<Q", page, number * 8)[0] for page in (change.was, change.now))
    return bool((was ^ now) & ~(ACCESSED | _DIRTY))


def entry_registers(text: str) -> list[tuple[str, str | int]]:
    """Return the CPUs' registers that lead into the kernel, from QEMU's `info registers -a`."""
    found: list[tuple[str, str | int]] = []
    for table, base, name, value in _ENTRY.findall(text):
        found.append((table, base) if table else (name, int(value, 16) & _KEPT_BITS[name]))
    return found
