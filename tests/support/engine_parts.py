# SPDX-License-Identifier: GPL-2.0-only
"""The parts of a kernel and a guest image that an engine needs to specify its machine."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from harness.guests.initramfs import GuestImage
from harness.kernel.build.images import KernelImage

if TYPE_CHECKING:
    from pathlib import Path


def kernel(place: Path, *options: str) -> KernelImage:
    (place / "config").write_text("".join(f"CONFIG_{name}=m\n" for name in options))
    return KernelImage("6.12", "k", place)


def guest(place: Path) -> GuestImage:
    return GuestImage(key="g", initramfs=place / "initramfs.cpio", payloads=place / "payloads")


def module(folder: Path, name: str, *, depends: str) -> Path:
    """A module file that has only its .modinfo section."""
    source = folder / f"{name}.c"
    notes = f'__attribute__((section(".modinfo"))) char d[] = "name={name}\\0depends={depends}";'
    source.write_text(notes)
    target = folder / f"{name}.ko"
    subprocess.run(["gcc", "-c", "-o", target, source], check=True)
    return target
