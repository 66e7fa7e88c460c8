# SPDX-License-Identifier: GPL-2.0-only
"""The series on arm64: what it touches compiles there, with the cross compiler (no boot).

`python -m harness.kernel.proofs.arm64 [LINE]` makes an allyesconfig with the isolation on, and
compiles the objects of the files that the series adds or changes. The witness is for x86 alone.
"""

from __future__ import annotations

import re
import shutil
import sys
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.host.paths import cache_dir
from harness.kernel.build.config import check_options
from harness.kernel.build.make import make
from harness.kernel.build.plan import Workspace
from harness.kernel.proofs.proof_tree import proof_tree
from harness.kernel.series.series_file import load_series
from harness.kernel.source.tree import touched_files

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from harness.kernel.series.commits import Series

PACKAGE = "gcc-aarch64-linux-gnu"
"""Debian's package of the cross compiler, which nothing else needs."""

_PREFIX = "aarch64-linux-gnu-"
_CROSS = ("ARCH=arm64", f"CROSS_COMPILE={_PREFIX}", f"CC={_PREFIX}gcc")
_WANTED = {"SECURITY_UMD": "y", "USERMODE_DRIVER_MGMT": "y"}
_PRESET = {
    **_WANTED,
    # They need further packages or slow the compiler down; the library cannot do with the last.
    **dict.fromkeys(("GCC_PLUGINS", "KASAN", "UBSAN", "GCOV_KERNEL", "STATIC_USERMODEHELPER"), "n"),
}
_ELSEWHERE = ("arch/", "tools/", "samples/")
"""What arm64 has no objects of: the sample is for x86-64 alone, like the witness."""


def objects_of(series: Series, source: Path) -> list[str]:
    """Return the objects of the kernel's C files that a series adds or changes, on any arch.

    A C file without an object of its own is compiled where another beside it includes it.
    """
    found: list[str] = []
    for name in touched_files(series):
        # A handler is a program of user space.
        if name.endswith(".c") and not name.startswith(_ELSEWHERE) and "_umh." not in name:
            files = _compiled(source / name)
            found += [f"{file.relative_to(source).with_suffix('.o')}" for file in files]
    return list(dict.fromkeys(found))


def _compiled(path: Path) -> list[Path]:
    """Return the C file itself if its folder's Makefile has its object, else those with it."""
    if re.search(rf"\b{path.stem}\.o\b", (path.parent / "Makefile").read_text()):
        return [path]
    included = re.compile(rf'^\s*#\s*include\s+"{path.name}"', re.MULTILINE)
    return [one for one in sorted(path.parent.glob("*.c")) if included.search(one.read_text())]


def compile_touched(
    line: str, *, progress: Callable[[str], None], workspace: Workspace | None = None
) -> Sequence[str]:
    """Compile what the series touches, and return the objects' names.

    Raises DoesNotBuild with the compiler's first error, and otherwise UserError.
    """
    if shutil.which(f"{_PREFIX}gcc") is None:
        raise UserError(f"{_PREFIX}gcc is missing", hint=f"apt-get install {PACKAGE}")
    workspace = workspace or Workspace(cache_dir())
    series = load_series(line, patches=workspace.patches).without_witness()
    with proof_tree(series, f"{line}-arm64", workspace, progress=progress) as tree:
        progress("configuration: allyesconfig for arm64")
        preset = tree.root / "preset.config"
        preset.write_text("".join(f"CONFIG_{name}={value}\n" for name, value in _PRESET.items()))
        make(tree, [*_CROSS, "allyesconfig"], variables={"KCONFIG_ALLCONFIG": str(preset)})
        check_options(tree.source, tree.objects / ".config", _WANTED)
        objects = objects_of(series, tree.source)
        progress(f"kernel: compiling {len(objects)} objects")
        make(tree, [*_CROSS, "-k", *objects])  # so that the log has the errors of each object
    return objects


def main() -> int:
    """Print the objects that compile; the exit status is 1 if one does not."""
    try:
        for name in compile_touched(*sys.argv[1:] or ["6.12"], progress=_say):
            sys.stdout.write(f"compiles: {name}\n")
    except UserError as error:
        sys.stderr.write(f"arm64: {error}\n")
        return 1
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
