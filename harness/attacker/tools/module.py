# SPDX-License-Identifier: GPL-2.0-only
"""Kernel modules rewritten for an attack, with no compiler: code and names put in place of others.

None has a signature any more: a kernel that asks for one loads none of them.
"""

from __future__ import annotations

import io
import struct

from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection

from harness.kernel.build.signing import unsigned

_RELA = struct.Struct("<QQq")  # Elf64_Rela: offset, symbol and type, addend
_FENTRY = 5
"""Bytes of the call to __fentry__, which ftrace owns, at the beginning of a function."""
_ENDBR64 = bytes.fromhex("f30f1efa")
"""What comes before it in a kernel that checks where indirect calls lead."""


def replace_function(module: bytes, name: str, code: bytes) -> bytes:
    """Have a module's function run `code` instead, which has to return.

    Raises LookupError if there is no such function, or not enough room in it.
    """
    module = unsigned(module)
    elf = ELFFile(io.BytesIO(module))
    table = elf.get_section_by_name(".symtab")
    found = table.get_symbol_by_name(name) if isinstance(table, SymbolTableSection) else None
    if not found:
        raise LookupError(f"the module has no function {name}")
    function = found[0]
    place = elf.get_section(function["st_shndx"])["sh_offset"]
    start = function["st_value"] + _FENTRY
    if module.startswith(_ENDBR64, place + function["st_value"]):
        start += len(_ENDBR64)
    if start + len(code) > function["st_value"] + function["st_size"]:
        raise LookupError(f"{name} has no room for {len(code)} bytes of code")
    result = bytearray(module)
    at = place + start
    result[at : at + len(code)] = code
    for section in elf.iter_sections():
        if isinstance(section, RelocationSection) and section["sh_info"] == function["st_shndx"]:
            _drop_relocations(result, section, start, start + len(code))
    return bytes(result)


def _drop_relocations(module: bytearray, section: RelocationSection, start: int, end: int) -> None:
    """Let none write to [start, end): their type becomes R_X86_64_NONE, which is 0."""
    for at in range(section["sh_offset"], section["sh_offset"] + section["sh_size"], _RELA.size):
        offset, _, addend = _RELA.unpack_from(module, at)
        if start <= offset < end:
            _RELA.pack_into(module, at, offset, 0, addend)


def replace_string(module: bytes, old: str, new: str) -> bytes:
    """Have a module name something else. Raises LookupError if there is no such string, or room."""
    was = b"\0" + old.encode() + b"\0"
    if module.count(was) != 1 or len(new) > len(old):
        raise LookupError(f"the module has no string {old!r} to put {new!r} in place of")
    return unsigned(module).replace(was, b"\0" + new.encode().ljust(len(old), b"\0") + b"\0")
