# SPDX-License-Identifier: GPL-2.0-only
"""The functions of the kernel by which root brings code into it, or writes its memory.

QEMU counts their calls (harness/vm/kernel_watch.py). After such a call the guest's kernel may do
whatever the attacker wants, so that no evidence inside the guest counts any more.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from harness.host.errors import UserError, VmLost
from harness.kernel.build.renamed import function_address, has_function
from harness.vm.kernel_watch import KernelCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.kernel.build.images import KernelImage
    from harness.vm.kernel_watch import KernelCalls
    from harness.vm.machine import Machine

DOORS: Mapping[str, str] = MappingProxyType(
    {
        # Code: modules that taint (no signature, a live patch), live patches, another kernel.
        "add_taint_module": "MODULES",
        "klp_enable_patch": "LIVEPATCH",
        "machine_kexec": "KEXEC_CORE",
        "kgdb_register_io_module": "KGDB",
        # All of memory, from a hibernation image of the attacker's.
        "swsusp_arch_resume": "HIBERNATION",
        # Memory and ports: /dev/mem, /dev/port, port I/O, the port of a serial line.
        "write_mem": "DEVMEM",
        "mmap_mem": "DEVMEM",
        "write_port": "DEVPORT",
        "native_tss_update_io_bitmap": "X86_IOPL_IOPERM",
        "uart_set_info_user": "SERIAL_CORE",
        # The addresses of the kernel's entries, in model-specific registers.
        "wrmsr_safe_on_cpu": "X86_MSR",
        "wrmsr_safe_regs_on_cpu": "X86_MSR",
        # Devices, which write memory by DMA.
        "pci_user_write_config_byte": "PCI",
        "pci_user_write_config_word": "PCI",
        "pci_user_write_config_dword": "PCI",
        "pci_mmap_resource_range": "PCI",
        "pci_write_resource_io": "PCI",
        "pci_write_rom": "PCI",
        "pci_resize_resource": "PCI",
        "hpet_mmap": "HPET_MMAP",
        "uio_mmap": "UIO",
        "vfio_pci_core_mmap": "VFIO_PCI_CORE",
        # Frees a page that the kernel uses, if corrupt-pfn has marked the page.
        "unpoison_memory": "HWPOISON_INJECT",
        # Methods of the firmware's, which the kernel interprets.
        "cm_write": "ACPI_CUSTOM_METHOD",
    }
)
"""By the function's name in 6.12, the option that brings the function.

A kernel with that option as a module has the way in the module, where nothing watches it.
"""

REFUSING = frozenset(
    {
        "uart_set_info_user",
        "pci_write_resource_io",
    }
)
"""The doors that check a permission themselves, so that one call does not show a way in."""


def kernel_code(kernel: KernelImage) -> KernelCode:
    """What QEMU is to know of a kernel.

    Raises UserError if the kernel lacks a boundary, or a function whose option is built in: under
    another name, nothing would watch the function.
    """
    ranges = (("_stext", "_etext"), ("_sinittext", "_einittext"))
    doors = {}
    for name, option in DOORS.items():
        if has_function(kernel, name):
            doors[name] = function_address(kernel, name)
        elif option in kernel.built_in:
            raise UserError(
                f"the kernel image {kernel.key[:12]} has {option} and no function {name}, by which "
                "root gets into the kernel",
                hint="add the function's name to harness/kernel/build/renamed.py",
            )
    return KernelCode(
        text=tuple((kernel.symbol(start), kernel.symbol(end)) for start, end in ranges),
        doors=doors,
    )


def kernel_calls(machine: Machine) -> KernelCalls:
    """Return what QEMU has seen of the guest's kernel so far. Raises VmLost without a watch."""
    if machine.watch is None:
        raise VmLost("nothing watches this machine's kernel")
    return machine.watch.read()
