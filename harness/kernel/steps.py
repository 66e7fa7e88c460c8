# SPDX-License-Identifier: GPL-2.0-only
"""The series step by step: every commit builds, and sparse has nothing new to say (rule 8).

`python -m harness.kernel.steps [LINE]`; on two cores, a quarter of an hour from nothing.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from filelock import FileLock

from harness.errors import UserError
from harness.kernel.config import configure, known_options
from harness.kernel.make import make
from harness.kernel.series import load_series
from harness.kernel.source import find_source
from harness.kernel.tree import BuildTree, prepare
from harness.paths import KERNEL_PATCHES, cache_dir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.kernel.series import Series

WITNESS_ONLY = ("umd_isolation_setup", "umd_without_setup", "umd_witness_tally")
"""What no kernel without the witness may have: boot parameters that weaken isolation."""

_WARNING = re.compile(r"^\S*?([\w./-]+):\d+:\d+: warning: (.*)$", re.MULTILINE)


def build_steps(line: str) -> Iterator[str]:
    """Build the tree with no commit, then with one more each time; a line about each.

    Raises UserError where one does not build, has more than it should, or gives sparse cause
    for a warning that the kernel by itself does not.
    """
    if shutil.which("sparse") is None:
        raise UserError("sparse is missing", hint="apt-get install sparse")
    cache = cache_dir()
    series = load_series(line, patches=KERNEL_PATCHES)
    source = find_source(line, cache=cache)
    tree = BuildTree(cache / "build" / f"{line}-steps")
    tree.root.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{tree.root}.lock"):
        tree.log.write_text("")
        for number in range(len(series.commits) + 1):
            step = replace(series, commits=series.commits[:number], handlers=())
            prepare(tree, source=source, series=step, progress=lambda _: None)
            configure(tree, _fragments(tree))
            make(tree, ["bzImage", "modules"])
            _check_symbols(tree, has_witness=number == len(series.commits))
            if number == 0:
                before = _warnings(tree, series, step)
                yield "builds: the kernel by itself"
            else:
                yield f"builds: {step.commits[-1].subject}"
        if new := _warnings(tree, series, series) - before:
            name, text = next(iter(new))
            raise UserError(f"sparse has something new to say: {name}: {text}", hint="mend it")
        yield f"sparse: nothing new (the kernel by itself: {before.total()} warnings)"


def _fragments(tree: BuildTree) -> list[Path]:
    """Return the fragments, reduced to the options that the tree has so far."""
    fragments = [KERNEL_PATCHES / "config" / name for name in ("base.config", "witness.config")]
    return known_options(tree, fragments)


def _check_symbols(tree: BuildTree, *, has_witness: bool) -> None:
    symbols = (tree.objects / "System.map").read_text().split()
    for name in WITNESS_ONLY:
        if (name in symbols) is not has_witness:
            raise UserError(
                f"{name} is {'missing' if has_witness else 'there without the witness'}",
                hint="only the series' last commit may add it",
            )


def _warnings(tree: BuildTree, series: Series, step: Series) -> Counter[tuple[str, str]]:
    """Return what sparse says, as file and text, of all that the series touches."""
    files = {*series.changed_files(), *(name for one in step.commits for name in one.overlay)}
    built = [
        f"{name[:-2]}.o"
        for name in sorted(files)
        if name.endswith(".c") and not name.endswith("_umh.c")
        if (tree.objects / f"{name[:-2]}.o").is_file()
    ]
    said = len(tree.log.read_text())
    make(tree, ["C=2", *built])
    return Counter(_WARNING.findall(tree.log.read_text()[said:]))


def main() -> int:
    """Print a line for each step; the exit status is 0 if all is well."""
    try:
        for done in build_steps(*sys.argv[1:] or ["6.12"]):
            sys.stdout.write(f"{done}\n")
            sys.stdout.flush()
    except UserError as error:
        sys.stderr.write(f"steps: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
