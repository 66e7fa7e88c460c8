# SPDX-License-Identifier: GPL-2.0-only
"""The engine `virtme`: virtme-ng's init on the host's root file system, with the host's programs.

QEMU shares the host's files with the guest over 9p, read-only. The guest sees at most the files
that QEMU itself can open. QEMU's user is `nobody`, or the developer's if they are not root, and
Landlock permits QEMU to read only the directories of installed software (`SHARED`). Of other
directories QEMU can list the names of files.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.host.paths import GUEST_IMAGES

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.attacker import Attacker
    from harness.guests.initramfs import GuestImage
    from harness.kernel.build.images import KernelImage
    from harness.vm.machine import Machine
    from harness.vm.spec import MachineSpec

OLDEST = (1, 42)
INSTALL = "pip install 'virtme-ng>=1.42'"
MEMORY_MIB = 512

ROOT = "/dev/root"
"""The 9p tag of the host's root directory: the one that virtme-ng's initramfs mounts."""
SHARE = "umd"
"""The 9p tag of a folder in QEMU's directory with our files: agent, modules, virtme-ng's init."""

SHARED = ("/usr", "/etc", "/opt", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
"""The host's directories whose files QEMU may open: software and its settings, no user's data."""

_DRIVERS = {"9p": "9P_FS", "9pnet_virtio": "NET_9P_VIRTIO", "overlay": "OVERLAY_FS"}
"""The drivers that the engine needs, and the kernel options that enable them."""
_INITRAMFS = "initramfs.cpio"
_INIT = "virtme-ng-init"
_START = "start"
_CANARY = "canary"
"""A file that QEMU's user may write. Only the read-only share protects it from the guest."""
_GUEST = "/run/umd/share"

_OVERLAID = ("/etc", "/usr", "/var", "/bin", "/sbin", "/lib")
"""Directories with an overlay in the guest's memory, so that the guest can write there."""

_NO_MODPROBE = '"\n"'
"""An empty path of modprobe, as the kernel parses the line. Without modprobe no handler starts
before the guest has its final root directory; such a handler would differ from later ones."""

_FIRST = (
    "$0 mount -t devtmpfs devtmpfs /dev",
    "$0 mount -t tmpfs run /run",
    "$0 mount -t tmpfs tmpfs /tmp",
    f"$0 mkdir -p {_GUEST}",
    f"$0 mount -t 9p -o ro,version=9p2000.L,trans=virtio,access=any {SHARE} {_GUEST}",
    f"PATH={_GUEST}/masked:/usr/sbin:/usr/bin exec {_GUEST}/{_INIT}",
)
"""Commands of busybox in the guest before virtme-ng's init, which is on our share. They start with
`$0`, the path of busybox: busybox finds its applets through /proc, which is not mounted yet."""

_MASKED = "systemd-tmpfiles"
"""A program that virtme-ng's init would spend most of a cell's boot in. It is replaced by busybox,
which has no applet of that name and exits."""


@dataclass(frozen=True)
class Virtme:
    """Each cell boots a machine, because a guest that uses the host's files cannot be saved."""

    name: str = "virtme"
    saves: bool = False
    shell: tuple[str, ...] = (f"{_GUEST}/busybox", "sh", "-c", "exec setsid -c bash -l")
    command: tuple[str, ...] = (f"{_GUEST}/busybox", "sh", "-c", 'exec "$@"', "sh")
    reached_by: str = ""
    has_disk: bool = False
    policies: frozenset[str] = frozenset()

    def check(self) -> None:
        """Raise UserError if virtme-ng is missing or too old."""
        found = virtme_version()
        if not found:
            raise UserError("virtme-ng is not installed", hint=INSTALL)
        if tuple(int(part) for part in found.split(".")[:2]) < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            raise UserError(f"virtme-ng {found} is older than {oldest}", hint=INSTALL)

    def make(self, *, progress: Callable[[str], None]) -> None:
        """Do nothing: the machines boot the host's files."""

    def spec(
        self, plain: MachineSpec, kernel: KernelImage, guest: GuestImage, *, interactive: bool
    ) -> MachineSpec:
        """Return the machine that boots the host's files.

        Raises UserError if the kernel lacks an option, or virtme-ng its guest tools.
        """
        from harness.guests.initramfs import static_busybox

        if lacking := [name for name in _DRIVERS.values() if name not in kernel.options]:
            raise UserError(
                f"--engine virtme needs a kernel with {', '.join(lacking)}",
                hint="set the options with --config FRAGMENT",
            )
        busybox = static_busybox().resolve()
        brought = {
            "agent": guest.agent,
            "busybox": busybox,
            _INIT: _guest_tools() / "bin" / _INIT,
            _START: GUEST_IMAGES / "virtme" / _START,
            _CANARY: GUEST_IMAGES / "virtme" / _CANARY,
            **{f"modules/{module.name}": module for module in guest.modules},
        }
        if not interactive:
            brought[f"masked/{_MASKED}"] = busybox
        return replace(
            plain,
            initramfs=_initramfs(guest),
            cmdline=f"{plain.cmdline} {_parameters(busybox, interactive=interactive)}",
            memory_mib=MEMORY_MIB,
            devices=(*_shared("root", "/", ROOT), *_shared("umd", "share", SHARE)),
            files=tuple((f"share/{name}", path) for name, path in brought.items()),
            readable=tuple(path for path in map(Path, SHARED) if path.exists()),
            listable=(Path("/"),),  # QEMU must open the top of each share
        )

    def prepare(self, machine: Machine, attacker: Attacker) -> None:
        """Test that root in the guest cannot write the host's files. Raises UserError if it can."""
        from harness.engines.read_only import check_read_only

        check_read_only(attacker, ("/", _GUEST), canary=machine.directory / "share" / _CANARY)


def virtme_version() -> str:
    """Return the version of the installed virtme-ng, empty if it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("virtme-ng")
    except PackageNotFoundError:
        return ""


def _parameters(busybox: Path, *, interactive: bool) -> str:
    """Return the kernel's parameters. The last ones, behind `init=`, start the guest."""
    overlaid = [path for path in _OVERLAID if Path(path).is_dir() and not Path(path).is_symlink()]
    overlays = [f"virtme_rw_overlay{i}={path}" for i, path in enumerate(overlaid)]
    start = f"{_GUEST}/{_START}"
    script = base64.b64encode(f"{start} agent".encode()).decode()
    return " ".join(
        (
            "virtme_root_mods=1 virtme_root_user=1 virtme_console=ttyS0 virtme_hostname=umd",
            *overlays,
            f"sysctl.kernel.modprobe={_NO_MODPROBE}",
            f"virtme_shell={start}" if interactive else f"virtme.exec=`{script}`",
            f'init={busybox} -- sh -c "{"; ".join(_FIRST)}" {busybox}',
        )
    )


def _shared(ident: str, path: str, tag: str) -> tuple[str, ...]:
    """Return QEMU's arguments that share a directory of the host read-only over 9p."""
    return (
        "-fsdev",
        f"local,id={ident},path={path},security_model=none,readonly=on,multidevs=remap",
        "-device",
        f"virtio-9p-pci,fsdev={ident},mount_tag={tag}",
    )


def _guest_tools() -> Path:
    from virtme.resources import find_guest_tools

    found = find_guest_tools()
    if found is None:
        raise UserError("virtme-ng lacks its guest tools", hint=f"{INSTALL} --force-reinstall")
    return Path(found)


def _initramfs(guest: GuestImage) -> Path:
    """Return virtme-ng's initramfs with our drivers. It is created once for each guest image."""
    from harness.engines.boot_store import boot_store

    key = f"{guest.key}-virtme-{virtme_version()}"
    place = boot_store().find_or_make(key, lambda new: _make_initramfs(guest, new / _INITRAMFS))
    return place / _INITRAMFS


def _make_initramfs(guest: GuestImage, target: Path) -> None:
    from virtme.mkinitramfs import Config, mkinitramfs

    from harness.engines.drivers import load_order
    from harness.guests.initramfs import static_busybox

    config = Config()
    modules = {path.stem for path in guest.modules}
    wanted = [name for name in _DRIVERS if name in modules]  # the others are built in
    config.modfiles = [str(path) for path in load_order(guest.modules, wanted)]
    config.busybox = str(static_busybox())
    with target.open("wb") as file:
        mkinitramfs(file, config)
