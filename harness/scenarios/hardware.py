# SPDX-License-Identifier: GPL-2.0-only
"""Attacks by the machine's hardware, where root reaches it: ports, CPU registers, PCI devices."""

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

DMA = "a device writes wherever it is told, a kernel thread's memory included; lockdown closes it"
MACHINE = "whoever reaches the machine's own registers ends it for all; lockdown closes them"

_LSTAR = 0xC0000082
"""MSR_LSTAR: where the kernel is entered by a system call (asm/msr-index.h)."""

_RESET_PORT = 0xCF9
_RESET = b"\x06"
"""Q35's reset control register, and a full reset."""


_NO_DEBUGGER = dict.fromkeys(
    VARIANTS,
    "kgdb has nobody to talk to: CONFIG_KGDB_SERIAL_CONSOLE takes CONFIG_VT, which is off here",
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
    """Have a device overwrite the handler's state: it is told where by port I/O, after iopl(2)."""
    attacker.syscall("iopl", 3)  # as the payload will: here its errno is told
    attacker.run(attacker.payload("port_dma"), str(handler.physical("chain")))


@_end_machine(
    surface="devmem-kmem-port-iopl",
    through="write_port",
    answers=("L3", "C15"),
    lockdown=BY_OPEN,
)
def dev_port_reset(attacker: Attacker, handler: Handler) -> None:
    """Reset the machine by its chipset's register, through /dev/port."""
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
    """Have a PCI device overwrite the handler's state: its registers are a file to map."""
    with attacker.setup():
        folder, config = find_device(attacker, VIRTIO_SERIAL)
    at = virtio_registers(config)
    registers = f"{folder}/resource{at.bar}"
    with attacker.open(registers, O_RDWR) as file:  # as the payload will: here its errno is told
        attacker.syscall("mmap", 0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd, 0)
    places = map(str, (at.common, at.notify, at.step, handler.physical("chain")))
    attacker.run(attacker.payload("virtio_dma"), registers, *places)


@scenario(
    effect=Effect.STEP,
    surface="msr-pci-bar-vfio-noiommu-uio-dma",
    answers=("L3", "C15"),
    reach="rdmsr_safe_on_cpu",
    target="system",
    holes=on_both(Verdict.HELD, "the kernel's addresses are one for all that runs in it"),
)
def msr_kernel_address(attacker: Attacker, handler: Handler) -> None:
    """Read from a CPU's register where the kernel lies: where a system call enters it."""
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
    """Have system calls enter the kernel where there is nothing: the next one is its last."""
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
    """Have the kernel stop for its debugger, which waits for somebody at the console."""
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
    """Kill the handler from the kernel's debugger: it takes somebody who types at the console."""
    enter_debugger(attacker)


def enter_debugger(attacker: Attacker) -> None:
    """Stop the kernel in kdb, at the serial console."""
    attacker.write_file("/sys/module/kgdboc/parameters/kgdboc", b"ttyS0")
    attacker.write_file("/proc/sysrq-trigger", b"g")
