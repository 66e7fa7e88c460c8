# SPDX-License-Identifier: GPL-2.0-only
"""The build of a handler: the kit, the handler's own file, and the kernel's parsers of a tree.

`python -m harness.handlers.build FOLDER` builds the shipped handlers into a folder.
`--source FILE` builds a handler of your own.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from harness.handlers.calls import check_calls
from harness.handlers.recipes import RECIPES, Recipe
from harness.host.commands import clean_environment, output_of
from harness.host.errors import UserError
from harness.host.paths import HANDLERS, KERNEL_PATCHES, cache_dir
from harness.kernel.source.tarball import checks_tree, find_source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LINE = "6.12"
"""The kernel line whose parsers and nolibc the handlers are built from."""

_CC = (
    *("gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"),
    *("-ffreestanding", "-fno-pie", "-fno-stack-protector", "-fcf-protection=none"),
    *("-fno-asynchronous-unwind-tables", "-ffunction-sections", "-fdata-sections"),
    # calls.py reads all targets of jumps from the instructions.
    "-fno-jump-tables",
)
_LINK = (
    *("gcc", "-nostdlib", "-static", "-no-pie"),
    *("-Wl,--gc-sections", "-Wl,--build-id=none", "-Wl,-z,noexecstack"),
)
_COMPLAINT = re.compile(r"error:|undefined reference|multiple definition|cannot find")
_TREE_WARNINGS = ("-Wno-unused-parameter", "-Wno-sign-compare")
"""The kernel's own build has these warnings off."""

_OVERLAY = KERNEL_PATCHES / "overlay" / "include" / "uapi"
"""The headers with the frame that is before each message."""


def handler_tree() -> Path:
    """Return the parts of the kernel's source that handlers are built from. Raises UserError."""
    return checks_tree(find_source(LINE, cache=cache_dir()), cache=cache_dir())


def build_handler(recipe: Recipe, program: Path, *, tree: Path) -> dict[str, int]:
    """Build one handler. Return how often it has each system call.

    Raises UserError if it does not compile, and if it could make another system call than read,
    write and exit; there is no program then.
    """
    with TemporaryDirectory() as scratch:
        build = _Build(recipe, tree, Path(scratch))
        linked = build.scratch / program.name
        _run([*_LINK, "-o", str(linked), *map(str, build.objects())], what=recipe.source)
        found = check_calls(linked)
        linked.replace(program)
    return found


class _Build:
    """The compilation of one handler, in a folder of its own."""

    def __init__(self, recipe: Recipe, tree: Path, scratch: Path) -> None:
        self.recipe = recipe
        self.tree = tree
        self.scratch = scratch

    def objects(self) -> list[Path]:
        """Compile all files."""
        own = HANDLERS / self.recipe.source
        kit = sorted((HANDLERS / "kit").glob("*.c"))
        if not self.recipe.uses_kernel:
            return [self._compile(file, self._nolibc()) for file in (*kit, own)]
        ours = sorted((HANDLERS / "kernel").glob("*.c"))
        theirs = [*self._generate(), *(self.tree / name for name in self.recipe.tree)]
        return [
            *(self._compile(file, self._nolibc()) for file in kit),
            *(self._compile(file, self._kernel()) for file in (own, *ours)),
            *(self._compile(file, [*self._kernel(), *_TREE_WARNINGS]) for file in theirs),
        ]

    def _compile(self, file: Path, flags: Sequence[str]) -> Path:
        target = self.scratch / f"{file.parent.name}-{file.stem}.o"
        sizes = [
            f"-DUMD_REQUEST_SIZE={self.recipe.request_size}",
            f"-DUMD_ARENA_SIZE={self.recipe.arena_size}",
        ]
        argv = [*_CC, *sizes, *flags, "-c", str(file), "-o", str(target)]
        _run(argv, what=str(file))
        return target

    def _nolibc(self) -> list[str]:
        """Return the flags for files with the tree's nolibc as the C library."""
        nolibc = self.tree / "tools/include/nolibc"
        return [
            *("-include", str(nolibc / "nolibc.h"), f"-I{nolibc}"),
            *(f"-I{_OVERLAY}", f"-I{HANDLERS / 'kit'}"),
        ]

    def _kernel(self) -> list[str]:
        """Return the flags for files that see the tree's headers, and no other."""
        include = self.tree / "include"
        _, own = output_of(["gcc", "-print-file-name=include"])
        return [
            *("-nostdinc", "-isystem", own.strip()),
            *("-include", str(HANDLERS / "kernel" / "kernel.h")),
            *(f"-I{HANDLERS / 'kernel'}", f"-I{self.tree / 'crypto/asymmetric_keys'}"),
            *(f"-I{self.scratch}", f"-I{include}", f"-I{include / 'uapi'}"),
        ]

    def _generate(self) -> list[Path]:
        """Run the tree's ASN.1 compiler, and its script for the table of object identifiers."""
        compiler = self.scratch / "asn1_compiler"
        source = self.tree / "scripts/asn1_compiler.c"
        include = f"-I{self.tree / 'include'}"
        _run(["gcc", include, "-o", str(compiler), str(source)], what="scripts/asn1_compiler.c")
        made = []
        for grammar in self.recipe.asn1:
            name = self.scratch / f"{Path(grammar).stem}.asn1"
            code, header = f"{name}.c", f"{name}.h"
            _run([str(compiler), str(self.tree / grammar), code, header], what=grammar)
            made.append(Path(code))
        registry = self.tree / "include/linux/oid_registry.h"
        argv = ["perl", str(self.tree / "lib/build_OID_registry"), str(registry)]
        argv.append(str(self.scratch / "oid_registry_data.c"))
        _run(argv, what="lib/build_OID_registry", env={"srctree": str(self.tree)})
        return made


def _run(argv: Sequence[str], *, what: str, env: Mapping[str, str] | None = None) -> None:
    status, said = output_of(argv, env={**clean_environment(), **(env or {})})
    if status:
        complaints = [line for line in said.splitlines() if _COMPLAINT.search(line)]
        first = (complaints or said.splitlines() or ["it said nothing"])[0]
        raise UserError(f"{what} does not build: {first.strip()}", hint="correct the file")


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the shipped handlers, or a handler of the user's; print the sizes and calls."""
    parser = argparse.ArgumentParser(prog="python -m harness.handlers.build", allow_abbrev=False)
    parser.add_argument("folder", type=Path, help="where the programs go")
    parser.add_argument("--source", type=Path, help="the C file of your own handler")
    options = parser.parse_args(arguments)
    recipes: Mapping[str, Recipe] = RECIPES
    if options.source:
        recipes = {options.source.stem: Recipe(str(options.source.resolve()))}
    try:
        options.folder.mkdir(parents=True, exist_ok=True)
        tree = handler_tree()
        for name, recipe in recipes.items():
            program = options.folder / name
            calls = build_handler(recipe, program, tree=tree)
            made = ", ".join(f"{count} {call}" for call, count in calls.items())
            sys.stdout.write(f"{program}: {program.stat().st_size} bytes; {made}\n")
    except UserError as error:
        sys.stderr.write(f"umd-harness: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
