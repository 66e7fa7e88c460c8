# SPDX-License-Identifier: GPL-2.0-only
"""Which accelerator works: a /dev/kvm that opens is not KVM that runs guests (rule 5)."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from harness.cache.notes import read_note, write_note
from harness.host.errors import UserError
from harness.host.paths import CHECKOUT, cache_dir
from harness.vm.demotion import demotion
from harness.vm.qemu import QEMU, Identity, qemu_identity

SECONDS = 10
SOURCE = CHECKOUT / "guest-images" / "probe" / "probe.S"
KVM = Path("/dev/kvm")

SUCCESS = 0x15 << 1 | 1
"""QEMU's exit status for the byte that the probe writes to isa-debug-exit. No failure has it."""


@dataclass(frozen=True)
class Accelerator:
    """`name` is QEMU's, `kvm` or `tcg`; `reason` says how it was chosen."""

    name: str
    reason: str

    def open(self, stack: ExitStack) -> tuple[list[str], list[int]]:
        """Return QEMU's arguments and the descriptors to inherit: QEMU may not open the device."""
        if self.name != "kvm":
            return ["-accel", self.name], []
        fd = os.open(KVM, os.O_RDWR)
        stack.callback(os.close, fd)
        return ["-add-fd", f"fd={fd},set=1", "-accel", "kvm,device=/dev/fdset/1"], [fd]


def watching(found: Accelerator) -> Accelerator:
    """Return TCG in place of KVM, under which nothing tells which code the guest's kernel runs."""
    if found.name == "tcg":
        return found
    return Accelerator("tcg", "only TCG shows which code the guest's kernel runs")


def _build(rom: Path) -> None:
    command = ["gcc", "-nostdlib", "-static", "-Wl,-Ttext=0,--oformat=binary,--build-id=none"]
    try:
        done = subprocess.run(
            [*command, "-o", rom, SOURCE], capture_output=True, text=True, timeout=60, check=False
        )
    except FileNotFoundError as error:
        raise UserError("gcc is not installed", hint="apt-get install gcc") from error
    if done.returncode:
        raise UserError(f"gcc cannot assemble {SOURCE}: {done.stderr}", hint="see its message")


def _time(name: str, rom: Path) -> tuple[float, str]:
    """Run the probe's guest twice, since the host may be busy.

    Return the shorter time in seconds, and why it failed; empty if it succeeded.
    """
    seconds, failure = _run(name, rom)
    if not failure:
        again, failure = _run(name, rom)
        seconds = min(seconds, again)
    return seconds, failure


def _run(name: str, rom: Path) -> tuple[float, str]:
    with ExitStack() as stack:
        accel, inherited = Accelerator(name, "").open(stack)
        bios = stack.enter_context(rom.open("rb")).fileno()
        command = [
            *(*demotion(), QEMU, *accel, "-machine", "q35", "-cpu", "max"),
            *("-m", "64M", "-nodefaults", "-no-user-config", "-display", "none"),
            *("-bios", f"/proc/self/fd/{bios}"),
            *("-device", "isa-debug-exit,iobase=0xf4,iosize=1"),
        ]
        start = time.monotonic()
        try:
            done = subprocess.run(
                command,
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                pass_fds=[*inherited, bios],
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return SECONDS, f"the guest did not end within {SECONDS} s"
        except FileNotFoundError as error:
            raise UserError(
                f"{error.filename} is not installed",
                hint="install it: `umd-harness doctor` names the package",
            ) from error
    words = done.stderr.decode(errors="replace").strip().splitlines()
    failure = words[0] if words else f"QEMU ended with {done.returncode}"
    return time.monotonic() - start, "" if done.returncode == SUCCESS else failure


def measure() -> Accelerator:
    """Run a guest under both and choose. Raises UserError if neither works."""
    with tempfile.TemporaryDirectory() as directory:
        rom = Path(directory) / "rom"
        _build(rom)
        tcg, failure = _time("tcg", rom)
        if failure:
            raise UserError(f"QEMU cannot run a guest: {failure}", hint="reinstall qemu-system-x86")
        if not os.access(KVM, os.R_OK | os.W_OK):
            return Accelerator("tcg", f"{KVM} is not there, or not ours to open")
        kvm, failure = _time("kvm", rom)
    if failure:
        return Accelerator("tcg", f"{KVM} opens but does not work: {failure}")
    if kvm > tcg:
        return Accelerator("tcg", f"{KVM} opens but is {kvm / tcg:.0f} times slower than TCG")
    return Accelerator("kvm", "a guest ran under it, faster than under TCG")


class _Circumstances(NamedTuple):
    """What decides which accelerator works."""

    boot_id: str
    qemu: Identity
    kvm_opens: bool
    probe: str
    """The hash of the probe's source."""


@dataclass(frozen=True)
class _Remembered:
    """The note about the last measurement."""

    circumstances: _Circumstances
    accelerator: Accelerator


@cache
def accelerator() -> Accelerator:
    """Return what `measure` found, remembered until the host boots or QEMU, access or probe change.

    Raises UserError.
    """
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    openable = os.access(KVM, os.R_OK | os.W_OK)
    source = hashlib.sha256(SOURCE.read_bytes()).hexdigest()
    now = _Circumstances(boot, qemu_identity(), openable, source)
    memory = cache_dir() / "accelerator.json"
    remembered = read_note(memory, _Remembered)
    if remembered is not None and remembered.circumstances == now:
        return remembered.accelerator
    found = measure()
    with suppress(OSError):  # the note only saves time
        write_note(memory, _Remembered(now, found))
    return found
