# SPDX-License-Identifier: GPL-2.0-only
"""Where a handler keeps its state: the addresses of its variables, and what else it may write."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from elftools.elf.constants import P_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from harness.host.errors import UserError
from harness.vm.guest_ram import PAGE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OWN = (
    *("secret", "chain", "request", "reply", "outer", "sent", "unframed", "errno"),
    *("input", "parsed", "arena", "used"),
)
"""The variables that the honest handler writes (umd_witness_umh.c, framed.h and parser.h beside it,
and the arena of the kit in tools/umd)."""


@dataclass(frozen=True)
class Segment:
    """Whole pages of a handler's writable memory, as they are when its program starts."""

    address: int
    data: bytes


@dataclass(frozen=True)
class HandlerLayout:
    """Virtual addresses in one handler."""

    secret: int
    chain: int
    request: int
    segments: tuple[Segment, ...] = ()
    """Its writable segments. The stack is none of them."""
    own: tuple[tuple[int, int], ...] = ()
    """Address and size of the variables that it writes."""

    def foreign(self, address: int, data: bytes) -> bytes:
        """Return a segment's bytes with zeros in place of the variables that the handler writes."""
        kept = bytearray(data)
        for start, size in self.own:
            if address <= start < address + len(data):
                kept[start - address : start - address + size] = bytes(size)
        return bytes(kept)


@cache
def process_layout(program: Path) -> HandlerLayout:
    """Return the layout of a handler process, from its program. Raises UserError."""
    with program.open("rb") as file:
        elf = ELFFile(file)
        variables = _variables(elf, program)
        segments = tuple(_segments(elf))
    return HandlerLayout(
        variables["secret"][0],
        variables["chain"][0],
        variables["request"][0],
        segments,
        tuple(variables[name] for name in OWN if name in variables),
    )


def thread_layout(module: Path, chain: int) -> HandlerLayout:
    """Return the layout of a handler thread whose chain is at that address. Raises UserError."""
    offsets = _module_offsets(module)
    start = chain - offsets["chain"]
    return HandlerLayout(start + offsets["secret"], chain, start + offsets["request"])


@cache
def _module_offsets(module: Path) -> dict[str, int]:
    """Return the offsets of the variables in the module's section for them."""
    with module.open("rb") as file:
        return {name: at for name, (at, _) in _variables(ELFFile(file), module).items()}


def _variables(elf: ELFFile, path: Path) -> dict[str, tuple[int, int]]:
    """Return the address and size of the handler's variables."""
    table = elf.get_section_by_name(".symtab")
    found = {}
    for symbol in table.iter_symbols() if isinstance(table, SymbolTableSection) else ():
        if symbol.name in OWN and symbol["st_info"]["type"] == "STT_OBJECT":
            found[symbol.name] = symbol["st_value"], symbol["st_size"]
    if missing := {"secret", "chain", "request"} - found.keys():
        raise UserError(
            f"{path} has no variable {min(missing)}",
            hint="build the kernel again with the harness's own handler",
        )
    return found


def _segments(elf: ELFFile) -> Iterator[Segment]:
    """Yield the writable segments in whole pages, with the file's bytes where it has any."""
    for segment in elf.iter_segments("PT_LOAD"):
        if segment["p_flags"] & P_FLAGS.PF_W:
            start, end = segment["p_vaddr"], segment["p_vaddr"] + segment["p_memsz"]
            before, size = start % PAGE, segment["p_filesz"]
            data = b""
            if size:  # the file's page is mapped from its first byte on
                elf.stream.seek(segment["p_offset"] - before)
                data = elf.stream.read(before + size)
            yield Segment(
                start - before, data.ljust(-(-end // PAGE) * PAGE - start + before, b"\0")
            )
