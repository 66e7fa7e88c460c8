# SPDX-License-Identifier: GPL-2.0-only
"""Kernel modules for the guest, compiled from one C file without the kernel's build tree.

The kernel image is enough: its System.map has the addresses, and a shipped module has the format
that this kernel's module loader expects.
"""

from __future__ import annotations

import io
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection

from harness.host.paths import KERNEL_PATCHES

if TYPE_CHECKING:
    from pathlib import Path

    from harness.kernel.build.images import KernelImage

THIS_MODULE = ".gnu.linkonce.this_module"
WITNESS = KERNEL_PATCHES / "overlay" / "kernel" / "umd_witness"
"""The witness's headers, which a module may include."""

_SHIPPED = "umd_witness_loader.ko"
_COMPILE = (
    *("gcc", "-c", "-std=gnu11", "-O2", "-Wall", "-Werror", "-ffreestanding", "-fno-builtin"),
    *("-mcmodel=kernel", "-fno-pic", "-mno-red-zone", "-mgeneral-regs-only"),
    *("-fcf-protection=none", "-fno-stack-protector", "-fno-asynchronous-unwind-tables"),
    *("-fno-strict-aliasing", "-fno-jump-tables", "-fno-common"),
)
_SECONDS = 60


@dataclass(frozen=True)
class ModuleFormat:
    """What the kernel's module loader expects, read from a module of the same build."""

    version: str
    """The string `vermagic`."""
    size: int
    """Bytes of `struct module`."""
    init: int
    """Offset of the pointer to the function that the kernel calls after loading."""
    exit: int
    """Offset of the pointer to the function that the kernel calls before unloading."""


def module_format(shipped: bytes) -> ModuleFormat:
    """Read the format from a shipped module."""
    elf = ELFFile(io.BytesIO(shipped))
    information, module = (elf.get_section_by_name(name) for name in (".modinfo", THIS_MODULE))
    places = elf.get_section_by_name(f".rela{THIS_MODULE}")
    symbols = elf.get_section_by_name(".symtab")
    assert information
    assert module
    found = re.search(rb"(?:^|\0)vermagic=([^\0]*)\0", information.data())
    assert found
    assert isinstance(places, RelocationSection)
    assert isinstance(symbols, SymbolTableSection)
    at = {
        symbols.get_symbol(entry["r_info_sym"]).name: entry["r_offset"]
        for entry in places.iter_relocations()
    }
    begin, end = at["init_module"], at["cleanup_module"]
    return ModuleFormat(found[1].decode(), module["sh_size"], begin, end)


def build_module(
    source: Path, kernel: KernelImage, target: Path, *flags: str, **constants: int
) -> bytes:
    """Compile one C file to a module of `kernel`; return its bytes.

    The C file defines init_module() and cleanup_module(), and includes module.h. Each name that it
    declares and does not define gets the kernel's address, exported or not, so the kernel must run
    where it is linked. `flags` go to the compiler, `constants` become macros of type unsigned long.
    """
    shape = module_format((kernel.directory / _SHIPPED).read_bytes())
    macros = {
        **constants,
        "MODULE_SIZE": shape.size,
        "MODULE_INIT": shape.init,
        "MODULE_EXIT": shape.exit,
    }
    names = [f'-DMODULE_NAME="{target.stem}"', f'-DMODULE_VERSION="{shape.version}"']
    defined = [f"-D{name}={value:#x}UL" for name, value in macros.items()]
    unresolved = target.with_suffix(".o")
    includes = (f"-I{source.parent}", f"-I{WITNESS}")
    _run(*_COMPILE, *names, *defined, *flags, *includes, "-o", str(unresolved), str(source))
    wanted = _run("nm", "-u", "--format=just-symbols", str(unresolved)).split()
    places = [f"--defsym={name}={kernel.symbol(name):#x}" for name in wanted]
    _run("ld", "-r", "-z", "noexecstack", *places, "-o", str(target), str(unresolved))
    return target.read_bytes()


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    assert not done.returncode, done.stderr
    return done.stdout
