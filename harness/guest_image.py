# SPDX-License-Identifier: GPL-2.0-only
"""The guest's userspace: an initramfs of agent, modules and busybox, and the payloads beside it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from harness.cpio import Entry, archive, device, directory, program, symlink
from harness.errors import UserError
from harness.paths import CHECKOUT, cache_dir

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCES = CHECKOUT / "guest-images"

RECIPE = 1
"""Raise it when what goes into an image changes in a way that no hashed input shows."""

_COMPILE = (
    *("gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"),
    # Without a C library or anything that wants one at run time (include/bare.h says why).
    *("-ffreestanding", "-nostdlib", "-static", "-no-pie", "-fno-pie", "-fno-stack-protector"),
    *("-fcf-protection=none", "-fno-asynchronous-unwind-tables"),
    # The same source gives the same bytes.
    *("-s", "-Wl,--build-id=none", "-Wl,-z,noexecstack"),
)
_COMPILE_SECONDS = 120.0
_DIRECTORIES = ("bin", "dev", "etc", "lib", "lib/modules", "proc", "root", "sbin", "sys", "tmp")


class Kernel(Protocol):
    """What an image takes from a kernel image (harness/kernel/images.py)."""

    @property
    def key(self) -> str:
        """The hash of all that the kernel was built from."""

    @property
    def modules(self) -> tuple[Path, ...]:
        """Its modules' files."""


@dataclass(frozen=True)
class GuestImage:
    """An initramfs, the folder of compiled payloads, and the hash of what they were made from."""

    key: str
    initramfs: Path
    payloads: Path


def guest_image(kernel: Kernel, *, progress: Callable[[str], None]) -> GuestImage:
    """Find the guest image for a kernel in the cache, or make it. Raises UserError."""
    busybox = _busybox()
    key = _key(kernel, busybox)
    place = cache_dir() / "guests" / key
    image = GuestImage(key=key, initramfs=place / "initramfs.cpio", payloads=place / "payloads")
    if place.is_dir():
        return image
    progress("guest image: compiling the agent and the payloads")
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".new-") as scratch:
        new = Path(scratch) / "image"
        _make(new, kernel, busybox)
        # Two makers of one key make the same: the first to publish wins.
        with suppress(OSError):
            new.rename(place)
    if not place.is_dir():
        raise UserError(
            f"cannot put a guest image into {place.parent}", hint="check the folder's permissions"
        )
    return image


def compile_program(source: Path, target: Path) -> None:
    """Compile one freestanding guest program. Raises UserError with the compiler's complaint."""
    command = [*_COMPILE, f"-I{SOURCES / 'include'}", "-o", str(target), str(source)]
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=_COMPILE_SECONDS, check=False
        )
    except FileNotFoundError:
        raise UserError("gcc is missing", hint="apt-get install gcc libc6-dev") from None
    if result.returncode:
        complaint = next(
            (line for line in result.stderr.splitlines() if "error" in line), result.stderr.strip()
        )
        raise UserError(f"{source.name} does not compile: {complaint}", hint=f"mend {source}")


def _make(place: Path, kernel: Kernel, busybox: Path) -> None:
    payloads = place / "payloads"
    payloads.mkdir(parents=True)
    for source in sorted((SOURCES / "payloads").glob("*.c")):
        compile_program(source, payloads / source.stem)
    agent = place / "agent"
    compile_program(SOURCES / "agent" / "agent.c", agent)
    entries = _entries(agent.read_bytes(), kernel.modules, busybox.read_bytes())
    (place / "initramfs.cpio").write_bytes(archive(entries))


def _entries(agent: bytes, modules: tuple[Path, ...], busybox: bytes) -> list[Entry]:
    """List the initramfs: not compressed, because the guest would unpack it under TCG."""
    return [
        *(directory(name) for name in _DIRECTORIES),
        # The kernel opens pid 1's standard streams before anything is mounted.
        device("dev/console", major=5, minor=1),
        program("init", agent),
        program("sbin/modprobe", agent),
        program("bin/busybox", busybox),
        symlink("bin/sh", "busybox"),
        # Busybox's shell prefers its own applet, which wants depmod's files.
        program("etc/shrc", b"alias modprobe=/sbin/modprobe\n"),
        *(
            # The kernel's name of a module has underscores only; modprobe looks for that.
            program(f"lib/modules/{module.stem.replace('-', '_')}.ko", _stripped(module))
            for module in sorted(modules)
        ),
    ]


def _stripped(module: Path) -> bytes:
    """Return a module without DWARF, as `make modules_install INSTALL_MOD_STRIP=1` leaves it.

    BTF stays: it is no debugging section. The guest's kernel reads the file whole at each load.
    """
    # A folder, not a file: strip removes its output when it fails.
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / module.name
        command = ["strip", "--strip-debug", "-o", str(target), str(module)]
        try:
            subprocess.run(
                command, capture_output=True, text=True, timeout=_COMPILE_SECONDS, check=True
            )
        except FileNotFoundError:
            raise UserError("strip is missing", hint="apt-get install binutils") from None
        except subprocess.CalledProcessError as error:
            raise UserError(
                f"{module.name} is not a module: {error.stderr.strip()}",
                hint="build the kernel anew",
            ) from None
        return target.read_bytes()


def _busybox() -> Path:
    """Find a busybox that runs without the host's libraries."""
    hint = "apt-get install busybox-static"
    found = shutil.which("busybox")
    if found is None:
        raise UserError("busybox is missing", hint=hint)
    try:
        with Path(found).open("rb") as file:
            dynamic = any(s["p_type"] == "PT_INTERP" for s in ELFFile(file).iter_segments())
    except ELFError:
        dynamic = True
    if dynamic:
        raise UserError(f"{found} is not a static program", hint=hint)
    return Path(found)


def _key(kernel: Kernel, busybox: Path) -> str:
    """Hash all that an image is made from."""
    digest = hashlib.sha256(f"{RECIPE} {kernel.key} {' '.join(_COMPILE)}\n".encode())
    try:
        version = subprocess.run(
            ["gcc", "--version"], capture_output=True, timeout=_COMPILE_SECONDS, check=True
        )
    except FileNotFoundError:
        raise UserError("gcc is missing", hint="apt-get install gcc libc6-dev") from None
    digest.update(version.stdout)
    sources = sorted(path for path in SOURCES.rglob("*.[ch]") if path.is_file())
    for path in (*sources, busybox):
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]
