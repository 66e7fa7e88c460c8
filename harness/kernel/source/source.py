# SPDX-License-Identifier: GPL-2.0-only
"""The base source of a kernel line: the distribution's tarball, its hash, its unpacking."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from harness.host.commands import check_disk, process_group
from harness.host.errors import UserError
from harness.host.paths import KERNEL_PATCHES
from harness.host.source_package import fetch
from harness.kernel.series.series import source_package

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SOURCE_DIR = Path("/usr/src")
_LOCK_DEADLINE = 600.0  # seconds; another process needs about 20 for the same unpacking

# What Kconfig, merge_config.sh and checkpatch.pl read: a tenth of the tree.
CHECKS = (
    *("COPYING", "CREDITS", "Kbuild", "MAINTAINERS", "Makefile", "README"),
    *("scripts/*", "include/*", "*/Kconfig*", "Kconfig", "kernel/configs/*", "ipc/Makefile"),
    *("arch/x86/Makefile*", "arch/x86/configs/*", "arch/x86/include/*"),
)


@dataclass(frozen=True)
class Source:
    """A kernel line's tarball and the SHA-256 of its content."""

    line: str
    tarball: Path
    digest: str


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
    seen = [str(tarball), stat.st_size, stat.st_mtime_ns]
    note = cache / f"source-{line}.json"
    remembered = read_json(note)
    if isinstance(remembered, dict) and remembered.get("seen") == seen:
        return Source(line, tarball, str(remembered["digest"]))
    with tarball.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    write_json(note, {"seen": seen, "digest": digest})
    return Source(line, tarball, digest)


def read_json(path: Path) -> object:
    """Return the note's content, or None when it is missing or was cut short."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None


def write_json(path: Path, value: object) -> None:
    """Write a note atomically: a reader sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        scratch.write_text(json.dumps(value, indent=1))
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def unpack(source: Source, target: Path, *, members: Sequence[str] = ()) -> None:
    """Unpack the tarball, or only the members that match, so that `target` is whole or absent.

    Patterns are relative to the tree's top; `*` matches slashes too, as tar has it.
    """
    scratch = target.with_name(f".{target.name}.new")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    top = source.tarball.name.removesuffix(".tar.xz")
    argv = ["tar", "--extract", "--file", str(source.tarball), "--strip-components=1"]
    argv += ["--no-same-owner", "--wildcards", *(f"{top}/{member}" for member in members)]
    try:
        with process_group(argv, cwd=scratch) as process:
            output, _ = process.communicate(timeout=_LOCK_DEADLINE)
        missed = b"Not found in archive" in output
        if process.returncode != 0 and not (members and missed):
            check_disk(output.decode(errors="replace"), where=target)
            said = output.decode(errors="replace").strip().splitlines() or ["nothing"]
            raise UserError(
                f"tar could not unpack {source.tarball}: {said[0]}",
                hint=f"reinstall the package linux-source-{source.line}; if it was fetched, "
                "`umd-harness clean --all` has it fetched again",
            )
        shutil.rmtree(target, ignore_errors=True)
        scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def checks_tree(source: Source, *, cache: Path) -> Path:
    """Return the part of the source that Kconfig and checkpatch.pl need, unpacked once."""
    return partial_tree(source, CHECKS, cache=cache)


def partial_tree(source: Source, members: Sequence[str], *, cache: Path) -> Path:
    """Return the part of the source that matches `members`, unpacked once; not to be written to.

    Patterns are as for `unpack`; one that matches nothing is none's fault.
    """
    wanted = hashlib.sha256(repr(tuple(members)).encode()).hexdigest()[:8]
    tree = cache / "checks" / f"{source.line}-{source.digest[:16]}-{wanted}"
    if tree.is_dir():
        return tree
    tree.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{tree}.lock", timeout=_LOCK_DEADLINE):
        if not tree.is_dir():
            unpack(source, tree, members=members)
    return tree
