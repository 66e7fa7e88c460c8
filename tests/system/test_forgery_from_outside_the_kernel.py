# SPDX-License-Identifier: GPL-2.0-only
"""Attackers that write to the guest's memory without a module get no verdict in their favour.

Each program in `forging/` tampers with the handler and covers that up.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import pytest
from cells import Cells, cells
from elftools.elf.elffile import ELFFile
from kernel_forgery import ATTEMPT_SECONDS, SOURCES, Forgery, run_forger

from harness.attacker.tools.bpf import u32, u64
from harness.attacker.tools.kexec import Segment, load
from harness.attacker.tools.pagemap import PAGE
from harness.attacker.tools.pci import VIRTIO_SERIAL, find_device, virtio_registers
from harness.guests.payloads import BPF_LOADER, compile_bpf
from harness.host.paths import GUEST_IMAGES
from harness.witness.reader import Witness

if TYPE_CHECKING:
    from pathlib import Path

    from kernel_forgery import Forger

    from harness.kernel.build.images import KernelImage
    from harness.witness.tally import Tally

__all__ = ["cells"]

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

GADGETS = {
    "RETURN": rb"\xc3",
    "POP_RAX": rb"\x58\xc3",
    "POP_RCX": rb"\x59\xc3",
    "POP_RDX": rb"\x5a\xc3",
    "POP_RSI": rb"\x5e\xc3",
    "POP_RDI": rb"\x5f\xc3",
    "STORE": rb"\x48\x89\x37\xc3",  # mov %rsi, (%rdi)
    # With it comes a tracepoint: a jump over 7 bytes if that is off.
    "WRMSR": rb"\x0f\x30\x8b\x05....\x85\xc0\x7e\x07.{7}\xc3",
    "SYSRET": rb"\x48\x0f\x07",
}
OTHER_KERNEL = 0x100000
"""The physical address of the code that kexec starts. The second MiB is RAM on every PC."""
FLAT = (
    *("--oformat=binary", "-e0", "-z,noseparate-code", f"--section-start=.entry={OTHER_KERNEL:#x}"),
    *(f"-Ttext={OTHER_KERNEL + 0x100:#x}", f"-Tbss={OTHER_KERNEL + PAGE:#x}"),
)


def dev_mem(forgery: Forgery) -> None:
    """Through /dev/mem: another secret, and then secret, chain and tally as they should be."""
    forgery.write_memory("dev_mem")


def dev_mem_mapped(forgery: Forgery) -> None:
    """The same, by /dev/mem mapped."""
    forgery.write_memory("mapped")


def dev_mem_patch(forgery: Forgery) -> None:
    """By /dev/mem mapped: the witness's code takes any reply for a right reply, for a while."""
    forgery.write_memory("mapped", "-DPATCHED")


def device_dma(forgery: Forgery) -> None:
    """The same, by a device that is told by port I/O where to write."""
    forgery.write_memory("fw_cfg")


def device_dma_patch(forgery: Forgery) -> None:
    """The same change of the witness's code, by the device."""
    forgery.write_memory("fw_cfg", "-DPATCHED")


def device_dma_by_ioperm(forgery: Forgery) -> None:
    """The same, with the ports from ioperm(2)."""
    forgery.write_memory("fw_cfg", "-DBY_IOPERM")


def device_dma_by_int80(forgery: Forgery) -> None:
    """The same, with the ports from the 32-bit iopl(2)."""
    forgery.write_memory("fw_cfg", "-DBY_INT80")


def pci_device(forgery: Forgery) -> None:
    """The same, by a PCI device that writes a page table, by which a program maps all memory."""
    forgery.write_memory("pci", *virtio_macros(forgery))


def pci_configuration(forgery: Forgery) -> None:
    """The same, with writes to the device's configuration alone."""
    forgery.write_memory("pci", *virtio_macros(forgery), "-DBY_CONFIG")


def virtio_macros(forgery: Forgery) -> list[str]:
    """Return the places of the virtio device's registers, as macros."""
    folder, config = find_device(forgery.attacker, VIRTIO_SERIAL)
    at = virtio_registers(config)
    size = forgery.handler._machine.memory_size
    places = {"BAR": at.bar, "COMMON": at.common, "NOTIFY": at.notify, "STEP": at.step}
    numbers = (places | {"MEMORY_SIZE": size}).items()
    return [f'-DFOLDER="{folder}"', *(f"-D{name}={value}" for name, value in numbers)]


def entry_register(forgery: Forgery) -> None:
    """The same, by the kernel's own instructions, which MSR_LSTAR lets the user's stack choose."""
    forgery.write_memory("msr", *gadgets(forgery.handler._image))


def entry_register_by_ioctl(forgery: Forgery) -> None:
    """The same, with the register written by ioctl(2)."""
    forgery.write_memory("msr", *gadgets(forgery.handler._image), "-DBY_IOCTL")


def gadgets(kernel: KernelImage) -> list[str]:
    """Find the instructions of `GADGETS` in the kernel's code; return their addresses as macros."""
    with kernel.vmlinux.open("rb") as file:
        text = ELFFile(file).get_section_by_name(".text")
        assert text
        code, start = text.data(), text["sh_addr"]
    found = {name: re.search(pattern, code, re.DOTALL) for name, pattern in GADGETS.items()}
    return [f"-D{name}={start + match.start():#x}UL" for name, match in found.items() if match]


def other_kernel(forgery: Forgery, patch: pytest.MonkeyPatch) -> None:
    """After the attack a few instructions replace the kernel by kexec, and play the witness.

    The attacker has luck: the other kernel runs when the host has looked at the handler once more,
    and before the aftermath, which may leave no handler to harm.
    """
    attacker = forgery.attacker
    code = forgery.compile("other_kernel", "-mgeneral-regs-only", f"-Wl,{','.join(FLAT)}")
    load(attacker, Segment(OTHER_KERNEL, code, 2 * PAGE))
    attacker.write_file("/kexec", forgery.compile("kexec"), mode=0o755)
    attacker.spawn("/kexec")
    aftermath = Witness.aftermath

    def ambushed(witness: Witness) -> Tally:
        attacker.mkdir("/enough")
        forgery.wait_for_other_secret()
        return aftermath(witness)

    patch.setattr(Witness, "aftermath", ambushed)


def hibernation_image(forgery: Forgery) -> None:
    """Resumed from an image in which the handler and the witness's code were edited."""
    program = forgery.compile("hibernate", f"-I{GUEST_IMAGES / 'payloads'}")
    forgery.attacker.write_file("/hibernate", program, mode=0o755)
    forgery.attacker.spawn("/hibernate")
    forgery.handler.wait_for_rewind(seconds=ATTEMPT_SECONDS)
    forgery.wait_for_other_secret()
    forgery.handler.wait_for_request()


FORGERS = (
    dev_mem,
    dev_mem_mapped,
    dev_mem_patch,
    device_dma,
    device_dma_patch,
    device_dma_by_ioperm,
    device_dma_by_int80,
    pci_device,
    pci_configuration,
    entry_register,
    entry_register_by_ioctl,
    hibernation_image,
)


def bpf_at_rest(forgery: Forgery) -> None:
    """A BPF program inverts the secret while the handler waits, and back when it stops waiting."""
    attacker, handler = forgery.attacker, forgery.handler
    compile_bpf(SOURCES / "at_rest.bpf.c", forgery.folder / "at_rest.bpf.o")
    program = (forgery.folder / "at_rest.bpf.o").read_bytes()
    attacker.write_file("/at_rest.bpf.o", program, mode=0o600)
    constants = {"tgid": u32(handler.pid), "address": u64(handler.symbol("secret"))}
    values = (f"{name}={value.hex()}" for name, value in constants.items())
    attacker.spawn(attacker.payload(BPF_LOADER), "/at_rest.bpf.o", *values)
    forgery.wait_for_other_secret()
    handler.wait_for_request()


def test_a_write_to_memory_that_is_not_covered_up_is_tampering(
    cells: Cells, tmp_path: Path
) -> None:
    """The forgers hide this."""

    def attack(forgery: Forgery) -> None:
        forgery.write_memory("dev_mem", "-DUNCOVERED")

    run_forger(cells, attack, tmp_path).check_seen()


@pytest.mark.parametrize("forger", FORGERS, ids=lambda forger: forger.__name__)
def test_no_write_to_memory_forges_a_verdict(cells: Cells, tmp_path: Path, forger: Forger) -> None:
    run_forger(cells, forger, tmp_path).check()


def test_no_other_kernel_forges_a_verdict(cells: Cells, tmp_path: Path) -> None:
    run_forger(cells, partial(other_kernel, patch=cells.monkeypatch), tmp_path).check()


def test_no_secret_that_is_another_only_at_rest_forges_a_verdict(
    cells: Cells, tmp_path: Path
) -> None:
    """On `baseline`: on `isolated` BPF cannot write to the handler."""
    run_forger(cells, bpf_at_rest, tmp_path, "baseline").check()
