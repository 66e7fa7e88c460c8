# SPDX-License-Identifier: GPL-2.0-only
"""The system calls of a kernel with the C types of their parameters, from its vmlinux.

These are the kernel's own `struct syscall_metadata`, from which tracefs prints the files
events/syscalls/*/format of the guest. A guest takes 45 ms to print one of 350.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

import msgspec

from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_SYMBOL = re.compile(r"^([0-9a-f]+) \w __syscall_meta__(\w+)$", re.MULTILINE)
_META = struct.Struct("<QiiQQ")  # the first fields of struct syscall_metadata
_ARGS_MAX = 6
_TEXT_MAX = 128


class Parameter(msgspec.Struct, frozen=True):
    """A parameter of a system call, as the kernel's source declares it."""

    type: str
    """Its C type, such as `pid_t` or `const char *`."""
    name: str

    @property
    def is_pointer(self) -> bool:
        """Whether it is the address of something."""
        return self.type.endswith("*")


class CallType(msgspec.Struct, frozen=True):
    """A system call."""

    name: str
    parameters: tuple[Parameter, ...]


def call_types(vmlinux: Path, system_map: Path) -> list[CallType]:
    """Return the system calls in the order of their names. Raises UserError if none is found."""
    from elftools.elf.elffile import ELFFile

    with vmlinux.open("rb") as file:
        segments = [
            (segment["p_vaddr"], segment["p_filesz"], segment["p_offset"])
            for segment in ELFFile(file).iter_segments("PT_LOAD")
        ]

        def read(address: int, size: int) -> bytes:
            for start, length, offset in segments:
                if start <= address < start + length:
                    file.seek(offset + address - start)
                    return file.read(size)
            raise UserError(
                f"{vmlinux} has nothing at {address:#x}",
                hint="take the System.map of the same build",
            )

        found = {
            name: _type(name, int(address, 16), read)
            for address, name in _SYMBOL.findall(system_map.read_text())
        }
    if not found:
        raise UserError(
            f"{system_map} names no system calls",
            hint="build the kernel with CONFIG_FTRACE_SYSCALLS",
        )
    return [found[name] for name in sorted(found)]


def _type(name: str, address: int, read: Callable[[int, int], bytes]) -> CallType:
    _, _, count, types, names = _META.unpack(read(address, _META.size))
    if not 0 <= count <= _ARGS_MAX:
        raise UserError(
            f"sys_{name} has {count} parameters",
            hint="take the System.map of the same build",
        )

    def texts(table: int) -> list[str]:
        pointers = struct.unpack(f"<{count}Q", read(table, 8 * count)) if count else ()
        return [read(at, _TEXT_MAX).partition(b"\0")[0].decode() for at in pointers]

    return CallType(name, tuple(map(Parameter, texts(types), texts(names))))
