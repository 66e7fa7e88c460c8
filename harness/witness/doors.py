# SPDX-License-Identifier: GPL-2.0-only
"""The functions of the kernel by which root brings code into it, or writes its memory.

QEMU counts their calls (harness/vm/kernel_watch.py). After such a call the guest's kernel may do
whatever the attacker wants, so that no evidence inside the guest counts any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.host.errors import VmLost
from harness.kernel.build.renamed import function_address, has_function
from harness.vm.kernel_watch import KernelCode

if TYPE_CHECKING:
    from harness.kernel.build.images import KernelImage
    from harness.vm.kernel_watch import KernelCalls
    from harness.vm.machine import Machine

DOORS = (
    # Code: modules that taint (no signature, a live patch), live patches, another kernel.
    "add_taint_module",
    "klp_enable_patch",
    "machine_kexec",
    "kgdb_register_io_module",
    # All of memory, from a hibernation image of the attacker's.
    "swsusp_arch_resume",
    # Memory and ports: /dev/mem, /dev/port, port I/O, the port of a serial line.
    "write_mem",
    "mmap_mem",
    "write_port",
    "native_tss_update_io_bitmap",
    "uart_set_info_user",
    # The addresses of the kernel's entries, in model-specific registers.
    "wrmsr_safe_on_cpu",
    "wrmsr_safe_regs_on_cpu",
    # Devices, which write memory by DMA.
    "pci_user_write_config_byte",
    "pci_user_write_config_word",
    "pci_user_write_config_dword",
    "pci_mmap_resource_range",
    "pci_write_resource_io",
    "pci_write_rom",
    "pci_resize_resource",
    "hpet_mmap",
    "uio_mmap",
    "vfio_pci_core_mmap",
    # Methods of the firmware's, which the kernel interprets.
    "cm_write",
)
"""Names as in 6.12. A kernel that lacks a function lacks that way, or has the way in a module."""

REFUSING = frozenset(
    {
        "uart_set_info_user",
        "pci_write_resource_io",
    }
)
"""The doors that check a permission themselves, so that one call does not show a way in."""


def kernel_code(kernel: KernelImage) -> KernelCode:
    """What QEMU is to know of a kernel. Raises UserError if the kernel lacks a boundary."""
    ranges = (("_stext", "_etext"), ("_sinittext", "_einittext"))
    return KernelCode(
        text=tuple((kernel.symbol(start), kernel.symbol(end)) for start, end in ranges),
        doors={
            name: function_address(kernel, name) for name in DOORS if has_function(kernel, name)
        },
    )


def kernel_calls(machine: Machine) -> KernelCalls:
    """Return what QEMU has seen of the guest's kernel so far. Raises VmLost without a watch."""
    if machine.watch is None:
        raise VmLost("nothing watches this machine's kernel")
    return machine.watch.read()
