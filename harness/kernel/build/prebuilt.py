# SPDX-License-Identifier: GPL-2.0-only
"""A kernel that is already built: its bzImage, and the vmlinux in the folder it was built in."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import struct
import subprocess
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import NoteSegment

from harness.host.commands import find_tool
from harness.host.errors import UserError
from harness.kernel.build.artifacts import collect_built, modules_of
from harness.kernel.build.images import KernelImage, find_image, publish
from harness.kernel.series.commits import WITNESS, WITNESS_PROGRAMS
from harness.model.handlers import BACKDOOR, HASH

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.kernel.choice.kernel_choice import KernelChoice

_NEEDED = tuple(WITNESS + name for name in (f"{HASH.loader}.ko", HASH.program, BACKDOOR))
_BUILD_AGAIN = "build it with --tree, or with the witness's commit (umd-harness export) on it"
_COMPRESSED = {
    b"\x1f\x8b": gzip.decompress,
    b"\xfd7zXZ": lzma.decompress,
    b"]\x00\x00": lzma.decompress,
    b"BZh": bz2.decompress,
}
_TOOLS = {b"\x28\xb5\x2f\xfd": "zstd", b"\x02\x21\x4c\x18": "lz4", b"\x89LZO": "lzop"}


@dataclass(frozen=True)
class _Elf:
    """The parts of a kernel's ELF file that are checked."""

    machine: str
    build_id: str
    sections: frozenset[str]


def prebuilt_image(
    choice: KernelChoice, *, cache: Path, progress: Callable[[str], None]
) -> KernelImage:
    """Return the kernel as an image, copied from the folder in which it was built.

    Raises UserError for files of different builds, and for a kernel that lacks what the harness
    needs.
    """
    assert choice.bzimage is not None  # noqa: S101 - KernelChoice.check() is for that
    assert choice.vmlinux is not None  # noqa: S101
    choice.check()
    objects = choice.vmlinux.resolve().parent
    elf = _read_elf(choice.vmlinux)
    _check_same(choice.bzimage, choice.vmlinux, elf)
    _check_built(objects, elf, choice.vmlinux)
    digest = hashlib.sha256(elf.build_id.encode())
    witness = sorted(objects.glob(f"{WITNESS}*.ko"))
    # Not by the kernel's build id alone: a module can be built anew without its kernel.
    others = sorted(set(modules_of(objects)) - set(witness))
    for path in (choice.bzimage, objects / ".config", *witness, *others):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    image = find_image(choice.name, digest.hexdigest(), cache=cache)
    if image is not None:
        return image
    progress(f"kernel: taking {choice.bzimage} out of {objects}")
    bzimage, vmlinux = choice.bzimage, choice.vmlinux

    def fill(folder: Path) -> None:
        collect_built(objects, folder, bzimage=bzimage, vmlinux=vmlinux, handlers=WITNESS_PROGRAMS)

    return publish(
        choice.name,
        digest.hexdigest(),
        cache=cache,
        meta={"source": elf.build_id, "series": "", "config": ""},
        fill=fill,
    )


def prebuilt_facts(choice: KernelChoice) -> dict[str, str]:
    """Return the facts about the kernel for a run's header."""
    assert choice.vmlinux is not None  # noqa: S101 - KernelChoice.check() is for that
    return {
        "kernel": str(choice.bzimage),
        "vmlinux": str(choice.vmlinux),
        "build_id": _read_elf(choice.vmlinux).build_id,
    }


def _read_elf(path: Path) -> _Elf:
    try:
        with path.open("rb") as file:
            return _elf(file)
    except ELFError as error:
        raise UserError(
            f"{path} is not a vmlinux: {error}", hint="name the ELF file that the build leaves"
        ) from error


def _elf(file: BinaryIO) -> _Elf:
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
    return _Elf(str(elf["e_machine"]), str(ids[0]) if ids else "", names)


def _check_same(bzimage: Path, vmlinux: Path, elf: _Elf) -> None:
    if elf.machine != "EM_X86_64":
        raise UserError(f"{vmlinux} is for {elf.machine}", hint="guests here are x86-64")
    try:
        inside = _elf(BytesIO(_payload(bzimage)))
    except (ELFError, OSError, lzma.LZMAError, EOFError) as error:
        raise UserError(f"{bzimage} holds no kernel: {error}", hint="name a bzImage") from error
    if not elf.build_id or inside.build_id != elf.build_id:
        raise UserError(
            f"{bzimage} and {vmlinux} are not of the same build: their build ids are "
            f"{inside.build_id[:16] or 'none'} and {elf.build_id[:16] or 'none'}",
            hint="name the bzImage in arch/x86/boot beside that vmlinux",
        )


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
            # The last four bytes are the uncompressed size.
            return decompress(data[:-4])
    for magic, tool in _TOOLS.items():
        if data.startswith(magic):
            return _by_tool(tool, data[:-4])
    return data


def _by_tool(tool: str, data: bytes) -> bytes:
    argv = [find_tool(tool), "-d", "-c"]
    done = subprocess.run(argv, input=data, capture_output=True, check=False)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise UserError(
            f"{tool} cannot unpack the kernel: {said}",
            hint="build it again: the bzImage is damaged",
        )
    return done.stdout


def _check_built(objects: Path, elf: _Elf, vmlinux: Path) -> None:
    if ".BTF" not in elf.sections:
        raise UserError(
            f"{vmlinux} has no BTF, by which the witness finds its hooks",
            hint="build it with CONFIG_DEBUG_INFO_BTF=y",
        )
    for name in ("System.map", ".config", "modules.order"):
        if not (objects / name).is_file():
            raise UserError(
                f"there is no {name} beside {vmlinux}",
                hint="name the vmlinux in the folder that the kernel was built in",
            )
    _check_witness(objects, vmlinux)


def _check_witness(objects: Path, vmlinux: Path) -> None:
    symbols = {text.split()[-1] for text in (objects / "System.map").read_text().splitlines()}
    if "umd_witness_tally" not in symbols:
        raise UserError(
            f"{vmlinux} has no witness (umd_witness_tally): nobody can say what happens in it",
            hint=_BUILD_AGAIN,
        )
    for name in _NEEDED:
        if not (objects / name).is_file():
            raise UserError(
                f"{name} was not built with {vmlinux}: CONFIG_UMD_WITNESS_LOADER=m is off",
                hint=_BUILD_AGAIN,
            )
