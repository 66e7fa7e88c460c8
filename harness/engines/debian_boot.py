# SPDX-License-Identifier: GPL-2.0-only
"""The initramfs that the Debian guest boots from, and the keys of its sshd.

The disk is the same for all kernels. The initramfs has the kernel's modules, the agent, the host
key of the guest's sshd, and the public key that may log in.
"""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

import paramiko
from cryptography.hazmat.primitives import serialization as formats
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness.engines.boot_store import boot_store
from harness.engines.drivers import load_order
from harness.engines.ssh import Login
from harness.guests.cpio import Entry, archive, device, directory, program, symlink
from harness.guests.debian import FOLDER
from harness.guests.initramfs import static_busybox
from harness.guests.policies import smack_policy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.guests.initramfs import GuestImage

_INIT = FOLDER / "init"
_DRIVERS = ("crc32c_generic", "ext4", "virtio_net")
"""Drivers for the disk and the card. Only those that are modules of this kernel are included."""
_COMMANDS = [
    "chmod",
    "cp",
    "insmod",
    "ip",
    "ln",
    "mkdir",
    "mount",
    "sh",
    "sleep",
    "switch_root",
    "umount",
]
_DIRECTORIES = (
    *("bin", "dev", "disk", "drivers", "proc", "sys"),
    *("umd", "umd/modules", "umd/policy", "umd/policy/smack", "umd/ssh"),
)
_HOST_KEY, _CLIENT_KEY = "host_key", "client_key"


@dataclass(frozen=True)
class DebianBoot:
    """A folder in the cache with the initramfs and the keys."""

    directory: Path
    """Its path."""

    @property
    def initramfs(self) -> Path:
        """The initramfs's path."""
        return self.directory / "initramfs.cpio"

    @property
    def login(self) -> Login:
        """The keys by which guest and host authenticate each other."""
        key, host = (
            paramiko.Ed25519Key.from_private_key_file(str(self.directory / name))
            for name in (_CLIENT_KEY, _HOST_KEY)
        )
        return Login(key=key, host=host)

    @property
    def key(self) -> str:
        """A hash of the initramfs, which has the keys."""
        return hashlib.sha256(self.initramfs.read_bytes()).hexdigest()


def debian_boot(guest: GuestImage) -> DebianBoot:
    """Return the initramfs for a guest image's modules and its keys; create both if missing.

    Raises UserError.
    """
    recipe = hashlib.sha256(_INIT.read_bytes()).hexdigest()[:16]

    def fill(new: Path) -> None:
        for name in (_CLIENT_KEY, _HOST_KEY):
            _make_key(new / name)
        boot = DebianBoot(new)
        boot.initramfs.write_bytes(archive(_entries(guest, boot)))

    return DebianBoot(boot_store().find_or_make(f"{guest.key}-debian-{recipe}", fill))


def _make_key(path: Path) -> None:
    path.touch(mode=0o600)
    key = Ed25519PrivateKey.generate()
    path.write_bytes(
        key.private_bytes(
            formats.Encoding.PEM, formats.PrivateFormat.OpenSSH, formats.NoEncryption()
        )
    )


def _entries(guest: GuestImage, boot: DebianBoot) -> Iterator[Entry]:
    """Yield the entries of the initramfs, uncompressed: under TCG the guest unpacks slowly."""
    yield from map(directory, _DIRECTORIES)
    yield device("dev/console", major=5, minor=1)
    yield program("init", _INIT.read_bytes())
    yield program("bin/busybox", static_busybox().read_bytes())
    for command in _COMMANDS:
        yield symlink(f"bin/{command}", "busybox")
    modules = {path.stem for path in guest.modules}
    drivers = load_order(guest.modules, [name for name in _DRIVERS if name in modules])
    for driver in drivers:
        yield _file(f"drivers/{driver.name}", driver.read_bytes())
    yield _file("drivers/order", "".join(f"{driver.name}\n" for driver in drivers).encode())
    for module in guest.modules:
        yield _file(f"umd/modules/{module.name}", module.read_bytes())
    yield program("umd/agent", guest.agent.read_bytes())
    for name, data in smack_policy("debian").items():
        yield _file(f"umd/policy/{name}", data)
    login = boot.login
    yield _file("umd/ssh/host_key", (boot.directory / _HOST_KEY).read_bytes(), 0o600)
    line = f"{login.key.get_name()} {login.key.get_base64()}\n"
    yield _file("umd/ssh/authorized_keys", line.encode(), 0o600)


def _file(name: str, data: bytes, mode: int = 0o644) -> Entry:
    return Entry(name, stat.S_IFREG | mode, data)
