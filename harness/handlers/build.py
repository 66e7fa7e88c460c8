# SPDX-License-Identifier: GPL-2.0-only
"""The build of a handler: the kit, the handler's own file, and the kernel's parsers of a tree.

`python -m harness.handlers.build FOLDER` builds the shipped handlers into a folder.
`--source FILE` builds a handler of your own.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from harness.handlers.calls import check_calls
from harness.handlers.compilation import Compilation, run_tool
from harness.handlers.recipes import RECIPES, Recipe
from harness.host.errors import UserError
from harness.host.paths import KERNEL_PATCHES, cache_dir
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
        build = Compilation(recipe, tree, Path(scratch), _CC)
        nolibc = tree / "tools/include/nolibc"
        library = ("-include", f"{nolibc}/nolibc.h", f"-I{nolibc}", f"-I{_OVERLAY}")
        objects = build.objects(["kit/arena.c", "kit/answer.c", "kit/serve.c"], library)
        linked = build.scratch / program.name
        run_tool([*_LINK, "-o", str(linked), *map(str, objects)], what=recipe.source)
        found = check_calls(linked)
        linked.replace(program)
    return found


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
