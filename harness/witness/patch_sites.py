# SPDX-License-Identifier: GPL-2.0-only
"""The places in its text that a running kernel patches itself, from the tables in its vmlinux."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from elftools.elf.elffile import ELFFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.kernel.build.images import KernelImage

TRACED_BYTES = 5
"""Bytes of a call by ftrace, or of the nop in its place (MCOUNT_INSN_SIZE)."""
STATIC_BYTES = 6
"""Bytes of the longest static call, a conditional jump (arch/x86/kernel/static_call.c)."""
TRACERS = ("ftrace_caller", "ftrace_regs_caller")
"""The kernel's own functions that a traced function calls."""
TRAMPOLINE = "__SCT__"
"""Prefix of static calls' trampolines (STATIC_CALL_TRAMP_PREFIX)."""
OWN_CALLS = ("ftrace_call", "ftrace_regs_call", "ftrace_graph_call")
"""The calls in ftrace's own functions (arch/x86/kernel/ftrace_64.S)."""


@dataclass(frozen=True)
class PatchSites:
    """Addresses as linked."""

    traced: frozenset[int]
    """Where ftrace may put a call."""
    static: frozenset[int]
    """Static calls and jump labels."""
    tracers: frozenset[int]
    """The functions of the kernel that a call by ftrace may lead to."""
    text: range
    """The kernel's text. Other functions that ftrace calls are made at run time, outside of it."""
    jumps: bool
    """Whether ftrace may put a jump to such a function in place of a call."""


@cache
def patch_sites(kernel: KernelImage) -> PatchSites:
    """Return a kernel's sites. Raises UserError if its vmlinux is missing."""
    known = kernel.symbols
    static = {at for name, at in known.items() if name.startswith(TRAMPOLINE)}
    static |= {known[name] for name in OWN_CALLS if name in known}
    with kernel.vmlinux.open("rb") as file:
        elf = ELFFile(file)
        traced = {at for _, (at,) in _table(elf, known, "mcount_loc", "<Q")}
        for name, form in (("static_call_sites", "<i4x"), ("__jump_table", "<i12x")):
            static |= {entry + far for entry, (far,) in _table(elf, known, name, form)}
    tracers = frozenset(known[name] for name in TRACERS if name in known)
    text = range(kernel.symbol("_stext"), kernel.symbol("_etext"))
    jumps = "DYNAMIC_FTRACE_WITH_JMP" in kernel.options  # since Linux 6.19
    return PatchSites(frozenset(traced), frozenset(static), tracers, text, jumps)


def _table(
    elf: ELFFile, known: Mapping[str, int], name: str, form: str
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield the address and the fields of each entry of a table; none if the kernel lacks it."""
    first, last = known.get(f"__start_{name}"), known.get(f"__stop_{name}")
    if first is None or last is None:
        return
    for section in elf.iter_sections("SHT_PROGBITS"):
        start = section["sh_addr"]
        if start <= first < last <= start + section["sh_size"]:
            data = section.data()[first - start : last - start]
            for number, fields in enumerate(struct.iter_unpack(form, data)):
                yield first + number * struct.calcsize(form), fields
            return
