# SPDX-License-Identifier: GPL-2.0-only
"""A small built kernel: real ELF files, and a bzImage with one of them."""

from __future__ import annotations

import struct
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BUILT = {
    "System.map": "ffffffff81000000 T _text\nffffffff82000000 D umd_witness_tally\n",
    ".config": "CONFIG_SECURITY_UMD=y\n",
    "modules.order": "kernel/umd_witness/umd_witness_loader.o\n",
    "kernel/umd_witness/umd_witness_loader.ko": "module",
    "kernel/umd_witness/umd_witness_umh": "program",
    "kernel/umd_witness/umd_witness_backdoor_umh": "program",
}


def elf(path: Path, *, build_id: str = "0x" + "ab" * 20, btf: bool = True, bits: int = 64) -> Path:
    """Link an ELF file with that build id, and a section named .BTF."""
    section = 'char btf[] __attribute__((section(".BTF"))) = "x";' if btf else ""
    path.parent.mkdir(parents=True, exist_ok=True)
    source = path.with_suffix(".c")
    source.write_text(f"void _start(void) {{}}\n{section}\n")
    options = ["-nostdlib", "-static", f"-m{bits}", f"-Wl,--build-id={build_id}"]
    subprocess.run(["gcc", *options, "-o", path, source], check=True, timeout=60)
    return path


def bzimage(path: Path, vmlinux: Path, compress: Callable[[bytes], bytes]) -> Path:
    """Put a compressed vmlinux at the offset in the boot protocol's header."""
    inside = vmlinux.read_bytes()
    payload = compress(inside) + struct.pack("<I", len(inside))
    image = bytearray(1024 + 64)
    image[0x1F1] = 1
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<II", image, 0x248, 64, len(payload))
    path.write_bytes(bytes(image) + payload)
    return path
