# SPDX-License-Identifier: GPL-2.0-only
"""The base source of a kernel line: the distribution's tarball, its hash, its unpacking."""

from __future__ import annotations

import hashlib
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.cache.notes import read_note, write_note
from harness.cache.places import CHECKS as CHECKS_PLACE
from harness.cache.store import Store
from harness.host.commands import check_disk, output_of, process_group
from harness.host.errors import UserError
from harness.host.files import folder_aside, remove_scratch
from harness.host.pace import Pace
from harness.host.paths import KERNEL_PATCHES
from harness.kernel.series.lines import source_package
from harness.kernel.source.source_package import fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SOURCE_DIR = Path("/usr/src")
_RECORD = 10240  # bytes; tar counts its input in records
_CHECKPOINT = 1000  # records between two lines of tar
_AT = re.compile(rb"^\S*tar: at \d+\n", re.MULTILINE)
_UNPACK_SECONDS = 600.0  # about 20 on an idle disk

# What Kconfig, merge_config.sh, checkpatch.pl and the build of handlers read: a tenth of the tree.
CHECKS = (
    *("COPYING", "CREDITS", "Kbuild", "MAINTAINERS", "Makefile", "README"),
    *("scripts/*", "include/*", "*/Kconfig*", "Kconfig", "kernel/configs/*", "ipc/Makefile"),
    *("arch/x86/Makefile*", "arch/x86/configs/*", "arch/x86/include/*"),
    *("crypto/asymmetric_keys/*", "lib/asn1_decoder.c", "lib/oid_registry.c"),
    *("lib/build_OID_registry", "tools/include/nolibc/*", "tools/testing/kunit/*"),
)


@dataclass(frozen=True)
class Source:
    """A kernel line's tarball and the SHA-256 of its content."""

    line: str
    tarball: Path
    digest: str


class _HashedTarball(msgspec.Struct):
    """The note about a tarball that was hashed before."""

    seen: tuple[str, int, int]
    """Path, size in bytes and time of change in ns, when it was hashed."""

    digest: str
    """The SHA-256 of its content."""


def find_source(
    line: str,
    *,
    cache: Path,
    where: Path = SOURCE_DIR,
    patches: Path = KERNEL_PATCHES,
    progress: Callable[[str], None] = lambda _: None,
) -> Source:
    """Find `linux-source-<line>.tar.xz` below `where`, or fetch it where series.toml says so.

    The hash of 150 MB is remembered by path, size and modification time, so that a start
    with nothing changed does not read it again.
    """
    package = source_package(line, patches=patches)
    if package is not None:
        tarball = fetch(package, cache=cache, progress=progress).tarball
    else:
        tarball = where / f"linux-source-{line}.tar.xz"
    try:
        stat = tarball.stat()
    except FileNotFoundError as error:
        raise UserError(
            f"there is no kernel source {tarball}",
            hint=f"install it: apt-get install linux-source-{line}",
        ) from error
    seen = (str(tarball), stat.st_size, stat.st_mtime_ns)
    note = cache / f"source-{line}.json"
    remembered = read_note(note, _HashedTarball)
    if remembered is not None and remembered.seen == seen:
        return Source(line, tarball, remembered.digest)
    with tarball.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    write_note(note, _HashedTarball(seen, digest))
    return Source(line, tarball, digest)


def unpack(
    source: Source,
    target: Path,
    *,
    members: Sequence[str] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> None:
    """Unpack the tarball, or only the members that match, so that `target` is whole or absent.

    Patterns are relative to the tree's top; `*` matches slashes too, as in tar. The caller holds
    the lock of the folder that `target` lies in. Raises UserError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_scratch(target.parent)
    with folder_aside(target) as new:
        _extract(source, new, members, progress)


def _extract(
    source: Source, folder: Path, members: Sequence[str], progress: Callable[[str], None]
) -> None:
    top = source.tarball.name.removesuffix(".tar.xz")
    argv = ["tar", "--extract", "--file", str(source.tarball), "--strip-components=1"]
    argv += ["--no-same-owner", "--wildcards", *(f"{top}/{member}" for member in members)]
    argv += [f"--checkpoint={_CHECKPOINT}", "--checkpoint-action=echo=at %u"]
    with process_group(argv, cwd=folder) as process:
        output = _followed(process, source.tarball, progress)
    missed = b"Not found in archive" in output
    if process.returncode != 0 and not (members and missed):
        said = output.decode(errors="replace")
        check_disk(said, where=folder)
        first = (said.strip().splitlines() or ["it said nothing"])[0]
        raise UserError(
            f"tar could not unpack {source.tarball}: {first}",
            hint=f"reinstall the package linux-source-{source.line}; if it was fetched, "
            "`umd-harness clean --all` has it fetched again",
        )


def _followed(
    process: subprocess.Popen[bytes], tarball: Path, progress: Callable[[str], None]
) -> bytes:
    """Wait for tar, and tell how far it is. Return what it says, without its checkpoints."""
    pace = Pace(_mib_in(tarball), unit="MiB")
    deadline = time.monotonic() + _UNPACK_SECONDS
    done = 0
    while True:
        so_far = f": {pace.at(done)}" if pace.total else ""
        progress(f"source: unpacking {tarball.name}{so_far}")
        try:
            output, _ = process.communicate(timeout=1.0)
        except subprocess.TimeoutExpired as waiting:
            if time.monotonic() > deadline:
                raise
            records = len(_AT.findall(waiting.output or b"")) * _CHECKPOINT
            done = min(pace.total, records * _RECORD >> 20)
        else:
            return _AT.sub(b"", output)


def _mib_in(tarball: Path) -> int:
    """Return the unpacked size in MiB; 0 if xz does not tell it."""
    _, said = output_of(["xz", "--robot", "--list", str(tarball)])
    totals = re.search(r"^totals\t\d+\t\d+\t\d+\t(\d+)\t", said, re.MULTILINE)
    return int(totals[1]) >> 20 if totals else 0


def checks_tree(source: Source, *, cache: Path) -> Path:
    """Return the part of the source that CHECKS names, unpacked once."""
    return partial_tree(source, CHECKS, cache=cache)


def partial_tree(source: Source, members: Sequence[str], *, cache: Path) -> Path:
    """Return the part of the source that matches `members`, unpacked once; not to be written to.

    Patterns are as for `unpack`. A pattern that matches nothing is no error.
    """
    wanted = hashlib.sha256(repr(tuple(members)).encode()).hexdigest()[:8]
    store = Store(CHECKS_PLACE.path(cache), seconds=_UNPACK_SECONDS, is_sealed=False)
    return store.find_or_make(
        f"{source.line}-{source.digest[:16]}-{wanted}",
        lambda new: _extract(source, new, members, lambda _: None),
    )
