# SPDX-License-Identifier: GPL-2.0-only
"""A real Debian as a disk image: made once from the archive that this machine's apt names.

This does not need root: mmdebstrap makes the root directory in a user namespace and packs it into a
tarball, and mke2fs makes a file system of the tarball without mounting it.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import shutil
import subprocess
import tarfile
import time
from contextlib import suppress
from dataclasses import dataclass
from threading import Timer
from typing import TYPE_CHECKING

from harness.cache.places import DEBIAN
from harness.cache.store import Store
from harness.guests.debian_selinux import add_policy
from harness.guests.policies import selinux_sources
from harness.host.commands import check_disk, clean_environment, output_of, process_group
from harness.host.debian_archive import debian_archive, network
from harness.host.errors import FREE_SPACE, UserError
from harness.host.paths import GUEST_IMAGES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RECIPE = 2
"""Raise this number when an image's content changes and no file of its folder does."""

SUITE = "trixie"
FOLDER = GUEST_IMAGES / "debian"
DISK_MIB = 512
"""The disk's size in MiB. The file is sparse; the guest can fill the rest."""

_SUITES = (SUITE, f"{SUITE}-updates")
_SECURITY = f"{SUITE}-security"
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")
_NEEDED = 1 << 30  # bytes: root directory, tarball and disk at the same time
_DEADLINE = 1800.0  # seconds, on a slow network
_KEPT = 2  # images
_IDLE_SECONDS = 86400.0  # a run may boot an image that was used within a day
_STATUS = re.compile(r"^\./?var/lib/dpkg/status$")
_SAYS = re.compile(r"^I: (.*)$")
_HINT = "mend what it names, then try again"


@dataclass(frozen=True)
class DebianImage:
    """The disk, an empty overlay of its size, the packages in it, and a hash of the recipe."""

    key: str
    directory: Path

    @property
    def base(self) -> Path:
        """The file system, as a raw disk, which is never written to."""
        return self.directory / "disk.raw"

    @property
    def empty(self) -> Path:
        """An empty qcow2 file of the same size."""
        return self.directory / "empty.qcow2"

    @property
    def packages(self) -> Path:
        """The list of installed packages, each with its version on a line."""
        return self.directory / "packages.txt"


def find_debian_image() -> DebianImage | None:
    """Return the image that was made before, or None."""
    key = recipe_key()
    directory = _store().find(key)
    return None if directory is None else DebianImage(key, directory)


def debian_image(*, progress: Callable[[str], None]) -> DebianImage:
    """Find the image in the cache, or make it. Raises UserError."""
    key = recipe_key()
    return DebianImage(
        key, _store().find_or_make(key, lambda new: _make(DebianImage(key, new), progress))
    )


def _store() -> Store:
    return Store(DEBIAN.path(), seconds=_DEADLINE, kept=_KEPT, idle_seconds=_IDLE_SECONDS)


def recipe_key() -> str:
    """Return the hash of all inputs of an image."""
    digest = hashlib.sha256(f"{RECIPE} {SUITE} {DISK_MIB} {_LEFT_OUT}\n".encode())
    made_from = [FOLDER / "packages", FOLDER / "customize", *(FOLDER / "root").rglob("*")]
    for path in sorted(path for path in made_from if path.is_file()):
        content = path.read_bytes()
        mode = path.stat().st_mode & 0o100
        digest.update(f"{path.relative_to(FOLDER)} {mode} {len(content)}\n".encode())
        digest.update(content)
    for path in selinux_sources("debian"):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def packages_wanted() -> list[str]:
    """Return the packages that the image has beside the essential ones."""
    lines = (line.partition("#")[0].strip() for line in (FOLDER / "packages").open())
    return [line for line in lines if line]


def _make(image: DebianImage, progress: Callable[[str], None]) -> None:
    scratch = image.directory.parent
    if shutil.disk_usage(scratch).free < _NEEDED:
        raise UserError(
            f"a Debian image needs {_NEEDED >> 20} MiB free at {scratch.parent}", hint=FREE_SPACE
        )
    tarball = scratch / "root.tar"
    _bootstrap(tarball, scratch, progress)
    image.packages.write_text(_installed(tarball))
    progress("Debian image: making the file system")
    _run(
        [
            *("mke2fs", "-q", "-t", "ext4", "-L", "umd-debian", "-m", "0"),
            # Initialised now, not by a kernel thread in each machine that mounts the disk.
            *("-E", "lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0"),
            *("-d", str(tarball), str(image.base), f"{DISK_MIB}M"),
        ]
    )
    progress("Debian image: compiling the policy for SELinux, and labelling the files")
    add_policy(tarball, image.base, scratch)
    _run(["qemu-img", "create", "-q", "-f", "qcow2", str(image.empty), f"{DISK_MIB}M"])
    for path in image.directory.iterdir():
        path.chmod(0o444)


def _bootstrap(tarball: Path, scratch: Path, progress: Callable[[str], None]) -> None:
    """Have mmdebstrap install the packages, with signatures checked. Raises UserError."""
    sources = scratch / "debian.sources"
    sources.write_text("\n".join(_entries()))
    reach = scratch / "network"
    reach.touch(mode=0o600)  # a proxy's address may hold a password
    reach.write_text(network())
    argv = [
        *("mmdebstrap", "--mode=unshare", "--format=tar", "--variant=minbase"),
        # A damaged image is made again, so dpkg need not sync each file.
        "--dpkgopt=force-unsafe-io",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT),
        f"--include={','.join(packages_wanted())}",
        f"--setup-hook=copy-in {shlex.quote(str(reach))} /etc/apt/apt.conf.d",
        f"--customize-hook=sync-in {shlex.quote(str(FOLDER / 'root'))} /",
        f"--customize-hook={(FOLDER / 'customize').read_text()}",
        *(SUITE, str(tarball), str(sources)),
    ]
    env = {**clean_environment(), "DEBIAN_FRONTEND": "noninteractive"}
    start, said = time.monotonic(), []
    with process_group(argv, cwd=scratch, env=env) as process:
        late = Timer(_DEADLINE, process.terminate)
        late.start()
        try:
            for line in process.stdout or ():
                said.append(line.decode(errors="replace").rstrip())
                if told := _SAYS.match(said[-1]):
                    progress(f"Debian image: {told[1]}")
            process.wait(_DEADLINE)
        finally:
            late.cancel()
    if time.monotonic() - start > _DEADLINE:
        said.append(f"E: it did not end within {_DEADLINE / 60:.0f} min")
    if process.returncode != 0:
        raise _failure("\n".join(said), scratch)


def _entries() -> list[str]:
    """Return apt's entries for the suite and, where this machine has it too, its security."""
    entries = [debian_archive(SUITE).entry(*_SUITES)]
    with suppress(UserError):  # a mirror need not have it
        entries.append(debian_archive(_SECURITY).entry(_SECURITY))
    return entries


def _failure(said: str, where: Path) -> UserError:
    check_disk(said, where=where)
    errors = [line for line in said.splitlines() if line.startswith(("E: ", "W: "))]
    last = next((line for line in errors if line.startswith("E: ")), "E: no reason")
    if re.search(r"newuidmap|subuid|unprivileged user namespaces", said):
        return UserError(
            f"mmdebstrap has no user namespace to work in ({last[3:]})",
            hint="apt-get install uidmap; your user needs a range in /etc/subuid and /etc/subgid",
        )
    return UserError(f"mmdebstrap could not make the Debian image: {last[3:]}", hint=_HINT)


def _installed(tarball: Path) -> str:
    """Return the packages in a root directory and their versions, a line each."""
    lines = []
    with tarfile.open(tarball) as archive:
        member = next((m for m in archive if _STATUS.match(m.name)), None)
        file = archive.extractfile(member) if member else None
        if file is None:
            raise UserError("mmdebstrap left no list of packages", hint=_HINT)
        for paragraph in file.read().decode().split("\n\n"):
            fields = dict(re.findall(r"^([\w-]+): (.*)$", paragraph, re.MULTILINE))
            if fields.get("Status") == "install ok installed":
                lines.append(f"{fields['Package']}:{fields['Architecture']} {fields['Version']}\n")
    return "".join(sorted(lines))


def _run(argv: list[str]) -> None:
    try:
        status, said = output_of(argv, deadline=_DEADLINE)
    except subprocess.SubprocessError as error:
        raise UserError(f"{argv[0]} does not run: {error}", hint=_HINT) from error
    if status:
        last = said.strip().rpartition("\n")[2]
        raise UserError(f"{argv[0]} could not make the disk: {last}", hint=_HINT)
