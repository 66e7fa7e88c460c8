# SPDX-License-Identifier: GPL-2.0-only
"""The series step by step: every commit builds, and sparse has nothing new to say (rule 8).

`python -m harness.kernel.steps [LINE]`; on two cores, an hour or more from nothing: a few commits
change headers that all of the kernel includes.
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
from harness.kernel.signing import signing_key
from harness.kernel.source import find_source
from harness.kernel.tree import BuildTree, prepare
from harness.paths import KERNEL_PATCHES, cache_dir

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from harness.kernel.series import Series

WITNESS_ONLY = ("umd_isolation_setup", "umd_without_setup", "umd_witness_tally")
"""What no kernel without the witness may have: boot parameters that weaken isolation."""

WEAKENING = (b"umd_isolation", b"umd_without")
"""Their names on the command line."""

_DEBUG_INFO = ("DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT", "DEBUG_INFO_BTF", "SCHED_CLASS_EXT")
"""What takes half of a build's time, and the one option that takes it."""

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
    before: Counter[tuple[str, str]] = Counter()
    for number in range(len(series.commits) + 1):
        step = replace(series, commits=series.commits[:number], handlers=())
        is_whole = number == len(series.commits)
        # The line's own tree has been built with all of it: the last step takes no time.
        tree = BuildTree(cache / "build" / (line if is_whole else f"{line}-steps"))
        tree.root.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{tree.root}.lock"):
            tree.log.write_text("")
            _build(tree, step, cache=cache, is_whole=is_whole)
            _check_symbols(tree, has_witness=is_whole)
            _check_strings(tree, has_witness=is_whole)
            if number == 0:
                before = _warnings(tree, series, step)
            new = _warnings(tree, series, step) - before if is_whole else {}
        yield f"builds: {step.commits[-1].subject if number else 'the kernel by itself'}"
    if new:
        name, text = next(iter(new))
        raise UserError(f"sparse has something new to say: {name}: {text}", hint="mend it")
    yield f"sparse: nothing new (the kernel by itself: {before.total()} warnings)"


def _build(tree: BuildTree, step: Series, *, cache: Path, is_whole: bool) -> None:
    """Build a step; one that is not the whole series without what describes it for debuggers."""
    fragments = step.fragments(("base.config", "witness.config"))
    source = find_source(step.line, cache=cache)
    prepare(tree, source=source, series=step, progress=lambda _: None)
    signing_key(cache).trust(tree.objects)
    if is_whole:
        configure(tree, fragments, lacks=step.lacks)
    else:
        lacks = {*step.lacks, *_DEBUG_INFO}
        configure(tree, known_options(tree, fragments, lacks=lacks))
    make(tree, ["bzImage", "modules"])


def _check_symbols(tree: BuildTree, *, has_witness: bool) -> None:
    symbols = (tree.objects / "System.map").read_text().split()
    for name in WITNESS_ONLY:
        if (name in symbols) is not has_witness:
            raise UserError(
                f"{name} is {'missing' if has_witness else 'there without the witness'}",
                hint="only the series' last commit may add it",
            )


def _check_strings(tree: BuildTree, *, has_witness: bool) -> None:
    """Ask the image itself as well: symbols may be missing for other reasons."""
    found = strings_in(tree.objects / "vmlinux", WEAKENING)
    if len(found) != len(WEAKENING) * has_witness:
        names = ", ".join(name.decode() for name in found) or "none"
        raise UserError(
            f"the image has these parameters that weaken isolation: {names}",
            hint="the witness's option brings them, all of them, and nothing else does",
        )


def strings_in(image: Path, strings: Iterable[bytes]) -> list[bytes]:
    """Return which of the strings, each to its end, an ELF image has when it is loaded."""
    from elftools.elf.constants import SH_FLAGS
    from elftools.elf.elffile import ELFFile

    with image.open("rb") as file:
        loaded = b"".join(
            section.data()
            for section in ELFFile(file).iter_sections("SHT_PROGBITS")
            if section["sh_flags"] & SH_FLAGS.SHF_ALLOC and section.name != ".BTF"
        )
    return [string for string in strings if string + b"\0" in loaded]


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
