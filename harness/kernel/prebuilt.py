# SPDX-License-Identifier: GPL-2.0-only
"""A kernel that is already built: its bzImage, and the vmlinux in the folder it was built in."""

from __future__ import annotations

import hashlib
import lzma
from typing import TYPE_CHECKING

from elftools.common.exceptions import ELFError

from harness.errors import UserError
from harness.kernel.artifacts import collect_built
from harness.kernel.images import KernelImage, find_image, publish
from harness.kernel.series import WITNESS
from harness.kernel.vmlinux import Elf, read_elf, read_inside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.kernel.choice import KernelChoice

_HANDLERS = tuple(WITNESS + name for name in ("umd_witness_umh", "umd_witness_backdoor_umh"))
_LOADER = f"{WITNESS}umd_witness_loader.ko"
_BUILD_AGAIN = "build it with --tree, or with the witness's commit (umd-harness export) on it"


def prebuilt_image(
    choice: KernelChoice, *, cache: Path, progress: Callable[[str], None]
) -> KernelImage:
    """Return the kernel as an image, taken out of where it was built.

    Raises UserError for files that do not belong together, and for a kernel without what the
    harness needs.
    """
    assert choice.bzimage is not None  # noqa: S101 - KernelChoice.check() is for that
    assert choice.vmlinux is not None  # noqa: S101
    choice.check()
    objects = choice.vmlinux.resolve().parent
    elf = read_elf(choice.vmlinux)
    _check_same(choice.bzimage, choice.vmlinux, elf)
    _check_built(objects, elf, choice.vmlinux)
    digest = hashlib.sha256(elf.build_id.encode())
    for path in (choice.bzimage, objects / ".config", *sorted(objects.glob(f"{WITNESS}*.ko"))):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    image = find_image(choice.name, digest.hexdigest(), cache=cache)
    if image is not None:
        return image
    progress(f"kernel: taking {choice.bzimage} out of {objects}")
    bzimage = choice.bzimage

    def fill(folder: Path) -> None:
        collect_built(objects, folder, bzimage=bzimage, handlers=_HANDLERS)

    return publish(
        choice.name,
        digest.hexdigest(),
        cache=cache,
        meta={"source": elf.build_id, "series": "", "config": ""},
        fill=fill,
    )


def prebuilt_facts(choice: KernelChoice) -> dict[str, str]:
    """Return what a run's header says of it."""
    assert choice.vmlinux is not None  # noqa: S101 - KernelChoice.check() is for that
    return {
        "kernel": str(choice.bzimage),
        "vmlinux": str(choice.vmlinux),
        "build_id": read_elf(choice.vmlinux).build_id,
    }


def _check_same(bzimage: Path, vmlinux: Path, elf: Elf) -> None:
    if elf.machine != "EM_X86_64":
        raise UserError(f"{vmlinux} is for {elf.machine}", hint="guests here are x86-64")
    try:
        inside = read_inside(bzimage)
    except (ELFError, OSError, lzma.LZMAError, EOFError) as error:
        raise UserError(f"{bzimage} holds no kernel: {error}", hint="name a bzImage") from error
    if not elf.build_id or inside.build_id != elf.build_id:
        raise UserError(
            f"{bzimage} and {vmlinux} are not of the same build: their build ids are "
            f"{inside.build_id[:16] or 'none'} and {elf.build_id[:16] or 'none'}",
            hint="name the bzImage in arch/x86/boot beside that vmlinux",
        )


def _check_built(objects: Path, elf: Elf, vmlinux: Path) -> None:
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
    for name in (_LOADER, *_HANDLERS):
        if not (objects / name).is_file():
            raise UserError(
                f"{name} was not built with {vmlinux}: CONFIG_UMD_WITNESS_LOADER=m is off",
                hint=_BUILD_AGAIN,
            )
