# SPDX-License-Identifier: GPL-2.0-only
"""The functions of the kernel by which root brings code into it, or writes its memory.

QEMU counts their calls (harness/vm/kernel_watch.py). After such a call the guest's kernel may do
whatever the attacker wants, so that no evidence inside the guest counts any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.kernel.build.renamed import function_address, has_function
from harness.vm.kernel_watch import KernelCode

if TYPE_CHECKING:
    from harness.kernel.build.images import KernelImage

DOORS = (
    # Code: modules whose signature is missing or wrong, live patches, another kernel.
    "add_taint",
    "klp_enable_patch",
    "do_kexec_load",
    "__do_sys_kexec_file_load",
    "swsusp_arch_resume",
    # Memory: the devices mem, port and msr, and whatever moves memory by a device's hand.
    "write_mem",
    "mmap_mem",
    "write_port",
    "msr_write",
    "ksys_ioperm",
    "__x64_sys_iopl",
    "__ia32_sys_iopl",
    "pci_write_config",
    "proc_bus_pci_write",
    "pci_mmap_resource_range",
    "pci_write_resource_io",
    "pci_write_rom",
)
"""Names as in 6.12. A kernel that lacks a function lacks that way as well."""


def kernel_code(kernel: KernelImage) -> KernelCode:
    """What QEMU is to know of a kernel. Raises UserError if the kernel lacks a boundary."""
    ranges = (("_stext", "_etext"), ("_sinittext", "_einittext"))
    return KernelCode(
        text=tuple((kernel.symbol(start), kernel.symbol(end)) for start, end in ranges),
        doors={
            name: function_address(kernel, name) for name in DOORS if has_function(kernel, name)
        },
    )
