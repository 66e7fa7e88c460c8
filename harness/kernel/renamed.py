# SPDX-License-Identifier: GPL-2.0-only
"""Functions that not all kernel lines call the same: they go by their names in 6.12."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.kernel.images import KernelImage

RENAMED: Mapping[str, str] = MappingProxyType(
    {
        # 6.1: what sees the same arguments, and decides the same.
        "page_idle_get_folio": "page_idle_get_page",
        "security_bpf_prog_load": "security_bpf_prog_alloc",
        "task_lookup_fdget_rcu": "task_lookup_fd_rcu",
    }
)
"""A function's name in 6.12, and in the lines that have none of that name."""


def function_address(kernel: KernelImage, name: str) -> int:
    """Return where a function lies as linked, by its name in 6.12.

    Raises UserError if the kernel has it under no name that is known.
    """
    try:
        return kernel.symbol(name)
    except UserError:
        if name not in RENAMED:
            raise
        return kernel.symbol(RENAMED[name])
