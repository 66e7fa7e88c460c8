# SPDX-License-Identifier: GPL-2.0-only
"""Kernel modules rewritten without a compiler: a function's code or a string is replaced.

A rewritten module has lost its signature. A kernel that requires signed modules refuses it.
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
"""Bytes of the call to __fentry__ at the start of a function, which ftrace rewrites."""
_ENDBR64 = bytes.fromhex("f30f1efa")
"""The instruction in front of that call in a kernel with indirect branch tracking."""


def replace_function(module: bytes, name: str, code: bytes) -> bytes:
    """Return the module with `code` at the start of function `name`, unsigned.

    The code must return. Raises LookupError if there is no such function, or if the function is
    too short.
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
    """Disable the relocations of [start, end) by the type R_X86_64_NONE, which is 0."""
    for at in range(section["sh_offset"], section["sh_offset"] + section["sh_size"], _RELA.size):
        offset, _, addend = _RELA.unpack_from(module, at)
        if start <= offset < end:
            _RELA.pack_into(module, at, offset, 0, addend)


def replace_string(module: bytes, old: str, new: str) -> bytes:
    """Return the module with the string `old` replaced by `new`, unsigned.

    Raises LookupError unless the module has the string exactly once and `new` fits in its place.
    """
    was = b"\0" + old.encode() + b"\0"
    if module.count(was) != 1 or len(new) > len(old):
        raise LookupError(f"the module has no single string {old!r} with room for {new!r}")
    return unsigned(module).replace(was, b"\0" + new.encode().ljust(len(old), b"\0") + b"\0")
