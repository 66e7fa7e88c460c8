# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness doctor`: what this machine has of what the harness needs, and what to install."""

from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.command import Command
from harness.cli.options import line_option
from harness.cli.output import say
from harness.host.errors import UserError
from harness.host.paths import KERNEL_PATCHES, cache_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

_GIB = 1 << 30
_MIB = 1 << 20
_RUN_SPACE = 600 * _MIB  # saved states of every variant, 256 MiB of sparse RAM each, and results
_OLDEST_PYTHON = (3, 11)

_TOOLS = (
    # command, Debian package, what it is for
    ("gcc", "gcc", "compiler"),
    ("clang-19", "clang-19", "compiler of BPF payloads"),
    ("make", "make", "build"),
    ("ld", "binutils", "linker"),
    ("flex", "flex", "kernel configuration"),
    ("bison", "bison", "kernel configuration"),
    ("bc", "bc", "kernel build"),
    ("perl", "perl", "kernel build"),
    ("lz4", "lz4", "kernel image"),
    ("patch", "patch", "kernel patches"),
    ("xz", "xz-utils", "kernel source"),
    ("klcc", "libklibc-dev", "compiler of the handlers"),
    ("openssl", "openssl", "key and signatures of modules"),
    ("pahole", "pahole", "BTF"),
    ("pfunct", "pahole", "the attack surface, by BTF"),
    ("objdump", "binutils", "the attack surface, by calls"),
    ("spatch", "coccinelle", "the attack surface, by source"),
    ("ctags", "universal-ctags", "what our series adds to the attack surface"),
    ("setpriv", "util-linux", "privileges dropped before QEMU"),
    ("secilc", "secilc", "the SELinux policy"),
    ("/usr/sbin/apparmor_parser", "apparmor", "the AppArmor policy"),
)


@dataclass(frozen=True)
class Finding:
    """One line of `doctor`; `is_needed` is False for what the harness can do without."""

    what: str
    is_fine: bool
    text: str
    is_needed: bool = True

    def __str__(self) -> str:
        """Return the line."""
        mark = "ok     " if self.is_fine else "MISSING" if self.is_needed else "note   "
        return f"{mark} {self.what:<14} {self.text}"


@dataclass(frozen=True)
class Options:
    """The options of `doctor`."""

    line: str = line_option()


def run(options: Options) -> int:
    """Print a line for each thing that is needed; return 2 if one is missing."""
    needed_is_missing = False
    for finding in examine(options.line):
        say(str(finding))
        needed_is_missing |= finding.is_needed and not finding.is_fine
    return 2 if needed_is_missing else 0


COMMAND = Command(
    "doctor",
    "check that this machine has the tools, files and disk space that the harness needs",
    "Each line says what is there, or what to install. Exit status: 2 if something that the "
    "harness needs is missing, else 0.",
    Options,
    run,
    examples={
        "doctor": "check this machine for the default kernel line",
        "doctor --line 7.2": "check this machine for another kernel line",
    },
)


def examine(line: str) -> Iterator[Finding]:
    """Yield the findings one by one; the probe of the accelerator takes a few seconds at most."""
    yield _python()
    yield _qemu()
    yield _accelerator()
    yield _virtme()
    yield _debian()
    yield _source(line)
    for command, package, purpose in _TOOLS:
        yield _tool(command, package, purpose)
    yield _file("busybox", "busybox-static", Path("/bin/busybox"), "guest image")
    yield _file("libelf", "libelf-dev", Path("/usr/include/gelf.h"), "kernel build")
    yield _file("libssl", "libssl-dev", Path("/usr/include/openssl/ssl.h"), "kernel build")
    yield _file("libbpf", "libbpf-dev", Path("/usr/include/bpf/libbpf.h"), "BPF payloads")
    yield _file("libcap", "libcap-dev", Path("/usr/include/sys/capability.h"), "kernel selftests")
    yield _ccache()
    yield from _cache(line)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    fine = sys.version_info >= _OLDEST_PYTHON
    oldest = ".".join(map(str, _OLDEST_PYTHON))
    text = f"{version}, {sys.executable}"
    return Finding("python", fine, text if fine else f"{text}: install {oldest} or newer")


def _qemu() -> Finding:
    from harness.run.provenance import version_of
    from harness.vm.qemu import OLDEST, QEMU

    said = version_of(QEMU, "--version")
    if not said:
        return Finding("qemu", False, _install("qemu-system-x86"))
    found = re.search(r"version (\d+)\.(\d+)", said)
    fine = found is not None and (int(found[1]), int(found[2])) >= OLDEST
    oldest = ".".join(map(str, OLDEST))
    return Finding("qemu", fine, said if fine else f"{said}: install {oldest} or newer")


def _accelerator() -> Finding:
    from harness.vm.probe import measure, watching

    try:
        found = watching(measure())
    except UserError as error:
        return Finding("accelerator", False, str(error))
    return Finding("accelerator", True, f"{found.name}: {found.reason}")


def _virtme() -> Finding:
    from harness.engines.virtme import Virtme, virtme_version

    try:
        Virtme().check()
    except UserError as error:
        return Finding("virtme-ng", False, f"for --engine virtme: {error}", is_needed=False)
    return Finding("virtme-ng", True, f"{virtme_version()}, for --engine virtme")


def _debian() -> Finding:
    """Look for the disk of the image engine, or for the tools that make it."""
    from harness.engines.image import Image
    from harness.guests.debian import find_debian_image

    if found := find_debian_image():
        return Finding("Debian image", True, f"{found.base}, for --engine image")
    try:
        Image().check()
    except UserError as error:
        return Finding("Debian image", False, f"for --engine image: {error}", is_needed=False)
    return Finding("Debian image", True, "--engine image makes it with mmdebstrap and mke2fs")


def _source(line: str) -> Finding:
    from harness.host.debian_archive import debian_archive
    from harness.kernel.series.lines import source_package
    from harness.kernel.source.source_package import find_fetched
    from harness.kernel.source.tarball import SOURCE_DIR

    package = source_package(line, patches=KERNEL_PATCHES)
    if package is None:
        tarball = SOURCE_DIR / f"linux-source-{line}.tar.xz"
        fine = tarball.is_file()
        return Finding("kernel source", fine, str(tarball) if fine else _install(tarball.name[:-7]))
    if found := find_fetched(package, cache=cache_dir()):
        return Finding("kernel source", True, f"{package}, {found.version}: {found.tarball}")
    try:
        archive = debian_archive(package.suite)
    except UserError as error:
        return Finding("kernel source", False, str(error))
    return Finding("kernel source", True, f"{package}: `build` fetches it from {archive.uri}")


def _tool(command: str, package: str, purpose: str) -> Finding:
    path = shutil.which(command)
    if path is None:
        return Finding(command, False, f"{purpose}: {_install(package)}")
    return Finding(command, True, f"{purpose}: {path}")


def _file(what: str, package: str, path: Path, purpose: str) -> Finding:
    fine = path.is_file()
    return Finding(what, fine, f"{purpose}: {path if fine else _install(package)}")


def _ccache() -> Finding:
    path = shutil.which("ccache")
    text = path or f"without it a rebuild from nothing compiles all again: {_install('ccache')}"
    return Finding("ccache", path is not None, text, is_needed=False)


def _cache(line: str) -> Iterator[Finding]:
    from harness.cache.places import BUILD, IMAGES
    from harness.kernel.build.build import FRESH_SPACE

    try:
        cache = cache_dir()
    except OSError as error:
        text = f"{error.filename}: {error.strerror}; set XDG_CACHE_HOME to a folder of yours"
        yield Finding("cache", False, text)
        return
    writable = os.access(cache, os.W_OK | os.X_OK)
    text = "" if writable else ": it is not yours to write; set XDG_CACHE_HOME"
    yield Finding("cache", writable, f"{cache}{text}")
    is_built = (BUILD.path(cache) / line / "objects").is_dir()
    built = is_built or any(IMAGES.path(cache).glob("*/bzImage"))
    needed = _RUN_SPACE if built else FRESH_SPACE + _RUN_SPACE
    free = shutil.disk_usage(cache).free
    text = f"{free / _GIB:.1f} GiB free at {cache}, {needed / _GIB:.1f} needed"
    if free < needed:
        text += ": free some (`umd-harness clean`), or set XDG_CACHE_HOME"
    yield Finding("disk space", free >= needed, text)


def _install(package: str) -> str:
    return f"apt-get install {package}"
