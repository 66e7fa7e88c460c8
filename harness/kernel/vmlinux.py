# SPDX-License-Identifier: GPL-2.0-only
"""A kernel as an ELF file: the vmlinux that a build leaves, and the one inside a bzImage."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, BinaryIO

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import NoteSegment

from harness.errors import UserError
from harness.kernel.command import output_of

if TYPE_CHECKING:
    from harness.kernel.images import KernelImage

_COMPRESSED = {
    b"\x1f\x8b": gzip.decompress,
    b"\xfd7zXZ": lzma.decompress,
    b"]\x00\x00": lzma.decompress,
    b"BZh": bz2.decompress,
}
_TOOLS = {b"\x28\xb5\x2f\xfd": "zstd", b"\x02\x21\x4c\x18": "lz4", b"\x89LZO": "lzop"}


@dataclass(frozen=True)
class Elf:
    """What matters of a kernel's ELF file."""

    machine: str
    build_id: str
    sections: frozenset[str]


def find_vmlinux(image: KernelImage, *, cache: Path, given: Path | None = None) -> Path:
    """Return the vmlinux of an image, with what debuggers ask for.

    It lies where it was built, until that tree goes on to another kernel; the build id tells. The
    user may have `given` it. Raises UserError if it is gone.
    """
    wanted = read_inside(image.bzimage).build_id
    built = sorted((cache / "build").glob("*/objects*/vmlinux"))
    for path in [given, *built] if given else built:
        with suppress(UserError, OSError):  # it is just being linked
            if wanted and read_elf(path).build_id == wanted:
                return path
    raise UserError(
        f"the vmlinux of the kernel image {image.key[:12]} is gone: its tree was built anew since",
        hint=f"`rm -r {image.directory}` has the same command build it again",
    )


def read_inside(bzimage: Path) -> Elf:
    """Read what a bzImage holds. Raises UserError, or as what unpacks it does."""
    return _elf(BytesIO(_payload(bzimage)))


def read_elf(path: Path) -> Elf:
    """Read a vmlinux. Raises UserError if it is none."""
    try:
        with path.open("rb") as file:
            return _elf(file)
    except ELFError as error:
        raise UserError(
            f"{path} is not a vmlinux: {error}", hint="name the ELF file that the build leaves"
        ) from error


def _elf(file: BinaryIO) -> Elf:
    """Raises ELFError."""
    elf = ELFFile(file)
    notes = (
        note
        for segment in elf.iter_segments()
        if isinstance(segment, NoteSegment)
        for note in segment.iter_notes()
    )
    ids = [note["n_desc"] for note in notes if note["n_type"] == "NT_GNU_BUILD_ID"]
    names = frozenset(section.name for section in elf.iter_sections())
    return Elf(str(elf["e_machine"]), str(ids[0]) if ids else "", names)


def _payload(bzimage: Path) -> bytes:
    """Return the vmlinux inside (Documentation/arch/x86/boot.rst: payload_offset)."""
    image = bzimage.read_bytes()
    if image[0x202:0x206] != b"HdrS":
        raise UserError(f"{bzimage} is not a bzImage of x86", hint="name arch/x86/boot/bzImage")
    sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (sectors + 1) * 512 + offset
    data = image[start : start + length]
    for magic, decompress in _COMPRESSED.items():
        if data.startswith(magic):
            # The size of what comes out lies behind it.
            return decompress(data[:-4])
    for magic, tool in _TOOLS.items():
        if data.startswith(magic):
            return _by_tool(tool, data[:-4])
    return data


def _by_tool(tool: str, data: bytes) -> bytes:
    with TemporaryDirectory() as scratch:
        source, target = Path(scratch) / f"vmlinux.{tool}", Path(scratch) / "vmlinux"
        source.write_bytes(data)
        status, said = output_of([tool, "-d", "-f", str(source), "-o", str(target)])
        if status != 0:
            raise UserError(f"{tool} cannot unpack the kernel: {said.strip()}", hint="see its data")
        return target.read_bytes()
