# SPDX-License-Identifier: GPL-2.0-only
"""Programs for the guest: the agent, payloads in C, and BPF objects with the loader for them."""

from __future__ import annotations

import hashlib
import re
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from harness.host.commands import check_disk
from harness.host.errors import UserError
from harness.host.paths import GUEST_IMAGES

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCES = GUEST_IMAGES

BPF_LOADER = "bpf_loader"
"""The guest's loader of BPF objects, among the payloads."""

_SAME_BYTES = ("-s", "-Wl,--build-id=none", "-Wl,-z,noexecstack")
"""The same source gives the same program."""
_WARNINGS = ("-Wall", "-Wextra", "-Werror")

_BARE = (
    *("gcc", "-std=gnu11", "-O2", *_WARNINGS),
    # Without a C library and all that needs one at run time (include/bare.h says why).
    *("-ffreestanding", "-nostdlib", "-static", "-no-pie", "-fno-pie", "-fno-stack-protector"),
    *("-fcf-protection=none", "-fno-asynchronous-unwind-tables"),
    *_SAME_BYTES,
)
_BPF = (
    *("clang-19", "-target", "bpf", "-O2", "-g", *_WARNINGS),
    # Debian has <asm/types.h> where only a native compiler looks.
    *("-idirafter", "/usr/include/x86_64-linux-gnu"),
)
_WITH_LIBBPF = ("gcc", "-std=gnu11", "-O2", *_WARNINGS, "-static", *_SAME_BYTES)
_ATTACK = ("gcc", "-O2", "-static", "-pthread", *_SAME_BYTES)
_INCLUDES_BARE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*"bare\.h"', re.MULTILINE)
_COMPLAINT = re.compile(r"error:|undefined reference|multiple definition|cannot find")
_LIBBPF = ("-lbpf", "-lelf", "-lz", "-lzstd")
ARCHIVES = {
    "libc.a": "libc6-dev",
    "libbpf.a": "libbpf-dev",
    "libelf.a": "libelf-dev",
    "libz.a": "zlib1g-dev",
    "libzstd.a": "libzstd-dev",
}
"""The libraries that the loader is linked with, and their Debian packages."""

_HINTS = {
    "gcc": "apt-get install gcc libc6-dev",
    "clang-19": "apt-get install clang-19 libbpf-dev",
}
_SECONDS = 120.0


def compile_program(source: Path, target: Path, *more: str) -> None:
    """Compile one freestanding guest program. Raises UserError with the compiler's complaint."""
    _compile([*_BARE, f"-I{SOURCES / 'include'}", *more], source, target)


def compile_attack(source: Path, target: Path) -> None:
    """Compile a user's attack: as a payload if it includes bare.h, else with the C library.

    Warnings are no errors here. Raises UserError with the compiler's first complaint.
    """
    if _INCLUDES_BARE.search(source.read_bytes()):
        compile_program(source, target, "-Wno-error")
    else:
        _compile(_ATTACK, source, target)


def included_by(source: Path) -> list[Path]:
    """Return the files of the user's own that a C file includes, as gcc finds them."""
    said = _run(["gcc", "-MM", f"-I{SOURCES / 'include'}", str(source)]).stdout
    _, _, names = said.replace("\\\n", " ").partition(": ")
    paths = map(Path, shlex.split(names))
    return [path for path in paths if path != source and not path.is_relative_to(SOURCES)]


def compile_bpf(source: Path, target: Path) -> None:
    """Compile one BPF object. Raises UserError with the compiler's complaint."""
    _compile([*_BPF, "-c"], source, target)


def compile_payloads(folder: Path) -> None:
    """Compile all payloads into `folder`, each under the name that a scenario asks for.

    `<name>.c` becomes `<name>`, `bpf/<name>.bpf.c` becomes `<name>.bpf.o`, and so does the policy
    of the rival that is a BPF program. Raises UserError.
    """
    payloads = SOURCES / "payloads"
    for source in sorted(payloads.glob("*.c")):
        compile_program(source, folder / source.stem)
    for source in sorted([*payloads.glob("bpf/*.bpf.c"), *SOURCES.glob("policies/bpf/*.bpf.c")]):
        compile_bpf(source, folder / f"{source.stem}.o")
    loader = payloads / "bpf" / "loader.c"
    _compile(_WITH_LIBBPF, loader, folder / BPF_LOADER, *_LIBBPF)


def inputs() -> bytes:
    """Return a hash of all that guest programs are made from: sources, compilers, libraries."""
    commands = (_BARE, _BPF, _WITH_LIBBPF, _LIBBPF)
    digest = hashlib.sha256("\n".join(" ".join(command) for command in commands).encode())
    for compiler in _HINTS:
        digest.update(_run([compiler, "--version"]).stdout.encode())
    sources = sorted(path for path in SOURCES.rglob("*.[ch]") if path.is_file())
    for path in (*sources, *map(_archive, ARCHIVES)):
        name = path.relative_to(SOURCES) if path.is_relative_to(SOURCES) else path.name
        digest.update(f"{name} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.digest()


def _archive(name: str) -> Path:
    """Return the static library that gcc finds; gcc prints the bare name if it finds none."""
    path = Path(_run(["gcc", f"-print-file-name={name}"]).stdout.strip())
    if not path.is_file():
        raise UserError(f"{name} is missing", hint=f"apt-get install {ARCHIVES[name]}")
    return path


def _compile(command: Sequence[str], source: Path, target: Path, *libraries: str) -> None:
    result = _run([*command, "-o", str(target), str(source), *libraries])
    if result.returncode:
        said = next(filter(_COMPLAINT.search, result.stderr.splitlines()), result.stderr).strip()
        check_disk(result.stderr, where=target)
        raise UserError(f"{source.name} does not compile: {said}", hint=f"mend {source}")


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except FileNotFoundError:
        raise UserError(f"{command[0]} is missing", hint=_HINTS[command[0]]) from None
    except subprocess.TimeoutExpired:
        raise UserError(
            f"{command[0]} did not end within {_SECONDS:.0f} s: {' '.join(command[1:])}",
            hint="see what keeps the machine busy, then try again",
        ) from None
