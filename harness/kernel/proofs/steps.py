# SPDX-License-Identifier: GPL-2.0-only
"""The series step by step: every commit builds, and sparse has nothing new to say (rule 8).

`python -m harness.kernel.proofs.steps [LINE]` takes an hour or more on two cores from an empty
cache: a few commits change headers that all of the kernel includes. A step that was built before
from the same inputs is not built again, so a run that was stopped goes on.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.cache.notes import read_note, write_note
from harness.cache.places import STEPS
from harness.host.commands import output_of
from harness.host.errors import UserError
from harness.host.paths import KERNEL_PATCHES, cache_dir
from harness.kernel.build.config import configure, known_options
from harness.kernel.build.make import make
from harness.kernel.build.plan import DEBUG_INFO, BuildRequest, Workspace, plan_build
from harness.kernel.build.signing import signing_key
from harness.kernel.proofs.proof_tree import proof_tree
from harness.kernel.series.series_file import load_series

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from harness.kernel.series.commits import Series
    from harness.kernel.source.build_tree import BuildTree

WITNESS_ONLY = ("umd_isolation_setup", "umd_without_setup", "umd_only_setup", "umd_witness_tally")
"""Symbols that only a kernel with the witness has: boot parameters that weaken isolation."""

WEAKENING = (b"umd_isolation", b"umd_without", b"umd_only")
"""Their names on the command line."""

_Warnings = list[tuple[str, str, int]]
"""Warnings of sparse: the file, the text, and how often."""

_FRAGMENTS = ("base.config", "witness.config")
_WARNING = re.compile(r"^([\w./-]+):\d+:\d+: warning: (.*)$", re.MULTILINE)


def build_steps(line: str) -> Iterator[str]:
    """Build the whole series, then the tree with no commit, then with one more each time.

    A line about each. Raises UserError where one does not build, has more than it should, or
    gives sparse cause for a warning that the kernel by itself does not.
    """
    if shutil.which("sparse") is None:
        raise UserError("sparse is missing", hint="apt-get install sparse")
    _, version = output_of(["sparse", "--version"])
    series = load_series(line, patches=KERNEL_PATCHES)
    with _step(replace(series, handlers=()), line) as tree:
        objects = _touched(tree, series)
        after = _warnings(tree, objects)
    yield "builds: the whole series"
    for number in range(len(series.commits)):
        step = replace(series, commits=series.commits[:number], handlers=())
        # Of the kernel by itself, sparse reads the objects that the whole series touches.
        asked = [] if number else objects
        sparse = (version, *asked) if asked else ()
        note = proven_note(line, number, sparse)
        warnings = read_note(note, _Warnings)
        how = "builds" if warnings is None else "built before"
        if warnings is None:
            warnings = _built(step, asked)
            # The files of the series may have changed while the step was built from them.
            if note == proven_note(line, number, sparse):
                write_note(note, warnings)
        yield f"{how}: {step.commits[-1].subject if number else 'the kernel by itself'}"
        if asked:
            before = Counter({(file, text): count for file, text, count in warnings})
            yield compared(before, after)


def _built(step: Series, asked: list[str]) -> _Warnings:
    """Build a step without debugging information, and return sparse's warnings about objects."""
    with _step(step, f"{step.line}-steps", lacks=DEBUG_INFO) as tree:
        if not asked:
            return []
        # Configured like the whole series, so that only the series makes a difference.
        _configure_known(tree, step)
        return [(file, text, count) for (file, text), count in _warnings(tree, asked).items()]


def proven_note(line: str, number: int, sparse: Iterable[str] = ()) -> Path:
    """Return the path of the note about a step, which names all that the step is made from.

    The note has sparse's warnings; `sparse` is its version and the objects that it reads. Raises
    UserError.
    """
    cache = cache_dir()
    request = BuildRequest(line, step=number, has_witness=False)
    plan = plan_build(request, Workspace(cache), progress=lambda _: None)
    names = "\n".join((plan.key, *sparse))
    return STEPS.path(cache) / f"{hashlib.sha256(names.encode()).hexdigest()}.json"


@contextmanager
def _step(step: Series, name: str, *, lacks: tuple[str, ...] = ()) -> Iterator[BuildTree]:
    """Build a step, check it, and hold its tree; one that lacks something is not the whole."""
    workspace = Workspace(cache_dir())
    with proof_tree(step, name, workspace, progress=lambda _: None) as tree:
        signing_key(workspace.cache).trust(tree.objects)
        if lacks:
            _configure_known(tree, step, lacks=lacks)
        else:
            configure(tree, step.fragments(_FRAGMENTS), lacks=step.lacks)
        make(tree, ["bzImage", "modules"])
        _check_symbols(tree, has_witness=not lacks)
        _check_strings(tree, has_witness=not lacks)
        yield tree


def _configure_known(tree: BuildTree, step: Series, *, lacks: tuple[str, ...] = ()) -> None:
    """Configure all that a part of the series knows of, but what it `lacks`."""
    lacking = {*step.lacks, *lacks}
    configure(tree, known_options(tree, step.fragments(_FRAGMENTS), lacks=lacking))


def compared(before: Counter[tuple[str, str]], after: Counter[tuple[str, str]]) -> str:
    """Say that sparse finds no more afterwards. Raises UserError where it does."""
    if new := after - before:
        name, text = next(iter(new))
        raise UserError(f"sparse has something new to say: {name}: {text}", hint="mend it")
    return f"sparse: nothing new (the kernel by itself: {before.total()} warnings)"


def _check_symbols(tree: BuildTree, *, has_witness: bool) -> None:
    symbols = (tree.objects / "System.map").read_text().split()
    for name in WITNESS_ONLY:
        if (name in symbols) is not has_witness:
            raise UserError(
                f"{name} is {'missing' if has_witness else 'there without the witness'}",
                hint="only the series' last commit may add it",
            )


def _check_strings(tree: BuildTree, *, has_witness: bool) -> None:
    """Look into the image as well: symbols may be missing for other reasons."""
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


def _touched(tree: BuildTree, series: Series) -> list[str]:
    """Return the objects of all that the series touches, as far as the tree has them."""
    files = {*series.changed_files(), *(name for one in series.commits for name in one.overlay)}
    objects = [f"{name[:-2]}.o" for name in sorted(files) if name.endswith(".c")]
    return [name for name in objects if (tree.objects / name).is_file() and "_umh.o" not in name]


def _warnings(tree: BuildTree, objects: list[str]) -> Counter[tuple[str, str]]:
    """Return sparse's warnings about the objects' sources, as file and text."""
    there = [name for name in objects if (tree.source / f"{name[:-2]}.c").is_file()]
    said = len(tree.log.read_text())
    # One at a time: of single objects, kbuild lets two makes meet in arch/x86/lib.
    make(tree, ["-j1", "C=2", *there])
    return findings(tree.log.read_text()[said:], tree.source)


def findings(log: str, source: Path) -> Counter[tuple[str, str]]:
    """Return how often a build's log has a warning, by the file's path below `source` and text.

    A header's warning counts once: sparse repeats it for each file that includes the header.
    """
    found = Counter(_WARNING.findall(log.replace(f"{source}/", "")))
    return Counter({key: 1 if key[0].endswith(".h") else n for key, n in found.items()})


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
