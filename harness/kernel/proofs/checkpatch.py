# SPDX-License-Identifier: GPL-2.0-only
"""Lint for kernel code: the kernel's own checkpatch.pl over the overlay and the patches.

`python -m harness.kernel.proofs.checkpatch` exits 0 when every file and patch is clean, 1 when not.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from harness.host.commands import output_of
from harness.host.errors import UserError
from harness.host.paths import KERNEL_PATCHES, cache_dir
from harness.kernel.series.lines import kernel_lines
from harness.kernel.series.series_file import load_series
from harness.kernel.source.tarball import SOURCE_DIR, checks_tree, find_source
from harness.kernel.source.tree import write_overlay

if TYPE_CHECKING:
    from collections.abc import Sequence

_DEADLINE = 300.0
_TOGETHER = 4
"""Files for each process of checkpatch.pl: enough to be worth its start."""
PROGRAMS = "tools/umd/"
"""Programs of user space, of which nothing is said. Their kernel.h has macros of the kernel."""
# Messages and sign-offs are in series.toml: `export` writes them above the hook patches.
_BARE_PATCH = ("--no-signoff", "--ignore", "COMMIT_MESSAGE,FILE_PATH_CHANGES")


def checkpatch(*, patches: Path, line: str, cache: Path, sources: Path = SOURCE_DIR) -> list[str]:
    """Return checkpatch.pl's complaints about the C files that `line` adds, and its patches."""
    source = find_source(line, cache=cache, where=sources, patches=patches)
    tree = checks_tree(source, cache=cache)
    series = load_series(line, patches=patches)
    hooks = [str(commit.patch) for commit in series.commits if commit.patch is not None]
    with TemporaryDirectory() as scratch:
        added = write_overlay(series, Path(scratch))
        files = [name for name in added if name.endswith((".c", ".h"))]
        complaints = complaints_of(tree, ["--file"], files, cwd=Path(scratch))
        return complaints + complaints_of(tree, _BARE_PATCH, hooks, cwd=Path(scratch))


def complaints_of(
    tree: Path, options: Sequence[str], files: Sequence[str], *, cwd: Path
) -> list[str]:
    """Run checkpatch.pl --strict of `tree` over the files; return its complaints in their order.

    A process for each CPU runs at a time. `cwd` must not be the top of a git checkout, because
    checkpatch.pl would read its history.
    """
    parts = [files[at : at + _TOGETHER] for at in range(0, len(files), _TOGETHER)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda part: _complaints_of(tree, [*options, *part], cwd=cwd), parts)
        return [complaint for complaints in found for complaint in complaints]


def _complaints_of(tree: Path, arguments: Sequence[str], *, cwd: Path) -> list[str]:
    script = tree / "scripts/checkpatch.pl"
    options = ["--strict", "--quiet", "--no-summary", "--show-types", "--color=never"]
    argv = ["perl", str(script), f"--root={tree}", *options, *arguments]
    status, output = output_of(argv, cwd=cwd, deadline=_DEADLINE)
    blocks = [block.strip() for block in output.split("\n\n") if block.strip()]
    found = [block for block in blocks if f"FILE: {PROGRAMS}" not in block]
    if status != 0 and not blocks:
        raise UserError("checkpatch.pl failed and said nothing", hint=" ".join(argv))
    return found


def main() -> int:
    """Check every kernel line that we ship; print what is not clean."""
    complaints: dict[str, None] = {}
    try:
        for line in kernel_lines(KERNEL_PATCHES):
            found = checkpatch(patches=KERNEL_PATCHES, line=line, cache=cache_dir())
            complaints.update(dict.fromkeys(found))
    except UserError as error:
        sys.stderr.write(f"checkpatch: {error}\n")
        return 2
    for complaint in complaints:
        sys.stdout.write(f"{complaint}\n\n")
    sys.stdout.write(f"checkpatch: {len(complaints)} complaint(s)\n")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
