# SPDX-License-Identifier: GPL-2.0-only
"""Functions that have other names in some kernel lines; callers use the names of 6.12."""

from __future__ import annotations

from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING

from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.kernel.build.images import KernelImage

RENAMED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # Its caller, which also notes taints of other origin.
        "add_taint_module": ("add_taint",),
        # A function with the same arguments and the same decision, before 6.12 or since.
        "page_idle_get_folio": ("page_idle_get_page",),
        "hpet_mmap": ("hpet_mmap_prepare",),
        "mmap_mem": ("mmap_mem_prepare",),
        "pci_write_resource_io": ("pci_write_resource",),
        "rdmsr_safe_on_cpu": ("rdmsrq_safe_on_cpu",),
        "wrmsr_safe_on_cpu": ("wrmsrq_safe_on_cpu",),
        "security_bpf_prog_load": ("security_bpf_prog_alloc",),
        "swap_writepage": ("swap_writeout",),
        "task_lookup_fdget_rcu": ("task_lookup_fd_rcu", "fget_task"),
        # Inlined in its caller there.
        "workqueue_apply_unbound_cpumask": ("workqueue_set_unbound_cpumask",),
    }
)
"""A function's name in 6.12, and its names in the lines without that name."""


def function_address(kernel: KernelImage, name: str) -> int:
    """Return where a function lies as linked, by its name in 6.12.

    Raises UserError if the kernel has the function under none of its names.
    """
    *others, last = (name, *RENAMED.get(name, ()))
    for other in others:
        with suppress(UserError):
            return kernel.symbol(other)
    return kernel.symbol(last)


def has_function(kernel: KernelImage, name: str) -> bool:
    """Whether the kernel has a function, by its name in 6.12."""
    return any(one in kernel.symbols for one in (name, *RENAMED.get(name, ())))
