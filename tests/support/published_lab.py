# SPDX-License-Identifier: GPL-2.0-only
"""Kernels with our library and a published driver on top."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.kernel.choice.kernel_choice import KernelChoice
from harness.lab.lab import Lab

if TYPE_CHECKING:
    from pathlib import Path


def published_lab(line: str, patches: Path) -> Lab:
    """Build our series for a line with these patches on top, or find it in the cache."""
    choice = KernelChoice(line, patches=patches, with_library=True)
    return Lab.open(line, ["baseline", "isolated"], progress=print, choice=choice)
