# SPDX-License-Identifier: GPL-2.0-only
"""The guest's userspace: an initramfs of agent, modules and busybox, and the payloads beside it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from harness.cache.places import GUESTS, PROGRAMS
from harness.cache.store import Store
from harness.guests.cpio import Entry, archive, device, directory, program, symlink
from harness.guests.payloads import SOURCES, compile_payloads, compile_program, inputs
from harness.guests.policies import SOURCES as POLICIES
from harness.guests.policies import policies
from harness.guests.policies import source_files as policy_files
from harness.guests.vendor import vendor_files
from harness.host.errors import UserError
from harness.host.paths import cache_dir
from harness.kernel.build.signing import SigningKey, signing_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RECIPE = 5
"""Raise this number when an image's content changes and no hashed input does."""

_STRIP_SECONDS = 120.0
_LOCK_SECONDS = 600.0
KEPT = 16
"""How many guest images stay in the cache, 10 MB each."""
_KEPT_PROGRAMS = 4  # 3 MB each
IDLE_SECONDS = 86400.0
"""Guest images that were used within a day stay in any case: a run may boot them still."""
_DIRECTORIES = ("bin", "dev", "etc", "lib", "lib/modules", "proc", "root", "sbin", "sys", "tmp")
_POLICIES = "policy"


class GuestKernel(Protocol):
    """The parts of a kernel image that a guest image needs (harness/kernel/build/images.py)."""

    @property
    def key(self) -> str:
        """The hash of all inputs of the kernel."""

    @property
    def modules(self) -> tuple[Path, ...]:
        """Its modules' files."""


@dataclass(frozen=True)
class GuestImage:
    """An initramfs and its parts, the payloads' folder, and the hash of all their inputs."""

    key: str
    initramfs: Path
    payloads: Path

    @property
    def agent(self) -> Path:
        """The agent by itself, for guests with another pid 1."""
        return self.initramfs.with_name("agent")

    @property
    def modules(self) -> tuple[Path, ...]:
        """The kernel's modules as they are in the initramfs, signed."""
        return tuple(sorted(self.initramfs.with_name("modules").glob("*.ko")))


def guest_image(kernel: GuestKernel, *, progress: Callable[[str], None]) -> GuestImage:
    """Find the guest image for a kernel in the cache, or make it. Raises UserError."""
    busybox = static_busybox()
    signing = signing_key(cache_dir())
    key = _key(kernel, busybox, signing)
    store = Store(GUESTS.path(), seconds=_LOCK_SECONDS, kept=KEPT, idle_seconds=IDLE_SECONDS)

    def fill(new: Path) -> None:
        programs = _programs(progress)
        progress("guest image: packing")
        _make(new, programs, kernel, busybox, signing)

    place = store.find_or_make(key, fill)
    return GuestImage(key=key, initramfs=place / "initramfs.cpio", payloads=place / "payloads")


def _programs(progress: Callable[[str], None]) -> Path:
    """Find the agent and the payloads, which are the same for all kernels, or compile them."""
    store = Store(
        PROGRAMS.path(), seconds=_LOCK_SECONDS, kept=_KEPT_PROGRAMS, idle_seconds=IDLE_SECONDS
    )

    def fill(new: Path) -> None:
        progress("guest image: compiling the agent and the payloads")
        (new / "payloads").mkdir()
        compile_payloads(new / "payloads")
        compile_program(SOURCES / "agent" / "agent.c", new / "agent")

    return store.find_or_make(inputs().hex()[:32], fill)


def _make(
    place: Path, programs: Path, kernel: GuestKernel, busybox: Path, signing: SigningKey
) -> None:
    shutil.copytree(programs / "payloads", place / "payloads")
    agent = Path(shutil.copy(programs / "agent", place / "agent"))
    modules = {
        _module_name(module): signing.sign(_stripped(module)) for module in sorted(kernel.modules)
    }
    (place / "modules").mkdir()
    for name, module in modules.items():
        (place / "modules" / name).write_bytes(module)
    rules = policies([f"/lib/modules/{name}" for name in modules])
    entries = _entries(agent.read_bytes(), modules, busybox.read_bytes(), rules)
    entries += [program(name.lstrip("/"), data) for name, data in vendor_files(signing).items()]
    (place / "initramfs.cpio").write_bytes(archive(entries))


def _module_name(module: Path) -> str:
    """Return the name that modprobe looks for: the kernel's, with underscores."""
    return f"{module.stem.replace('-', '_')}.ko"


def _entries(
    agent: bytes, modules: Mapping[str, bytes], busybox: bytes, rules: Mapping[str, bytes]
) -> list[Entry]:
    """List the initramfs. It is not compressed, because the guest would unpack it under TCG."""
    return [
        *(directory(name) for name in _DIRECTORIES),
        # The kernel opens pid 1's standard streams before anything is mounted.
        device("dev/console", major=5, minor=1),
        program("init", agent),
        program("sbin/modprobe", agent),
        program("bin/busybox", busybox),
        symlink("bin/sh", "busybox"),
        # Busybox's shell prefers its own modprobe, which needs depmod's files.
        program("etc/shrc", b"alias modprobe=/sbin/modprobe\n"),
        *(program(f"lib/modules/{name}", module) for name, module in modules.items()),
        directory(_POLICIES),
        # Pid 1 removes this file once a rival's policy is in force (agent/policy.h).
        program(f"{_POLICIES}/awaiting", b""),
        *(directory(f"{_POLICIES}/{name}") for name in sorted({n.split("/")[0] for n in rules})),
        *(program(f"{_POLICIES}/{name}", rule) for name, rule in rules.items()),
    ]


def _stripped(module: Path) -> bytes:
    """Return a module without DWARF, as `make modules_install INSTALL_MOD_STRIP=1` leaves it.

    BTF stays, since it is no debugging section. The guest's kernel reads the whole file at each
    load. The module is signed afterwards, because strip drops a signature.
    """
    # A folder, not a file: strip removes its output when it fails.
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / module.name
        command = ["strip", "--strip-debug", "-o", str(target), str(module)]
        try:
            subprocess.run(
                command, capture_output=True, text=True, timeout=_STRIP_SECONDS, check=True
            )
        except FileNotFoundError:
            raise UserError("strip is missing", hint="apt-get install binutils") from None
        except subprocess.CalledProcessError as error:
            raise UserError(
                f"{module.name} is not a module: {error.stderr.strip()}",
                hint="build the kernel anew",
            ) from None
        return target.read_bytes()


def static_busybox() -> Path:
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


def _key(kernel: GuestKernel, busybox: Path, signing: SigningKey) -> str:
    """Hash all inputs of an image."""
    made_from = f"{RECIPE} {kernel.key} {signing.digest} {busybox.stat().st_size}\n"
    digest = hashlib.sha256(made_from.encode())
    digest.update(busybox.read_bytes())
    for module in sorted(kernel.modules):
        digest.update(f"{module.name} {module.stat().st_size}\n".encode())
        digest.update(module.read_bytes())
    digest.update(inputs())
    for path in policy_files():
        digest.update(f"{path.relative_to(POLICIES)} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]
