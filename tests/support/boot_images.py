# SPDX-License-Identifier: GPL-2.0-only
"""Images with a configuration and a symbol table, which nothing could boot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.guests.initramfs import GuestImage
from harness.kernel.build.images import KernelImage
from harness.lab.images import BootImages

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

BOUNDARIES = ("_stext", "_etext", "_sinittext", "_einittext")
"""The symbols of every kernel that bound its code."""


def boot_images(
    place: Path, *options: str, version: str = "6.12.94", functions: Iterable[str] = ()
) -> BootImages:
    """Images in `place`, of a kernel with these options and functions."""
    kernel = KernelImage("6.12", "k1", place)
    lines = [f"# Linux/x86 {version} Kernel Configuration", *(f"CONFIG_{one}=y" for one in options)]
    kernel.config.write_text("\n".join(lines) + "\n")
    names = (*functions, *BOUNDARIES)
    symbols = (f"{0xFFFFFFFF81000000 + 16 * n:x} T {one}\n" for n, one in enumerate(names))
    (place / "System.map").write_text("".join(symbols))
    return BootImages(kernel, GuestImage("g1", place / "initramfs", place))
