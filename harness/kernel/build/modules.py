# SPDX-License-Identifier: GPL-2.0-only
"""The build of the user's own modules, in the kept tree of a kernel line, for its guests.

`python -m harness.kernel.build.modules FOLDER` builds what the Makefile in the folder names.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.host.paths import KERNEL_PATCHES, cache_dir
from harness.kernel.build.artifacts import modules_of
from harness.kernel.build.build import held_kept_tree
from harness.kernel.build.make import make
from harness.kernel.build.plan import BuildRequest, Workspace
from harness.kernel.build.signing import signing_key, unsigned
from harness.kernel.series.lines import DEFAULT_LINE, kernel_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MAKEFILES = ("Kbuild", "Makefile")


def build_modules(
    folder: Path,
    *,
    line: str,
    progress: Callable[[str], None],
    workspace: Workspace | None = None,
) -> list[Path]:
    """Build the modules of a folder; return their files, signed by the key that the guests trust.

    The kernel is built first if need be. Raises UserError, and DoesNotBuild where the folder's
    sources are to blame.
    """
    folder = folder.resolve()
    if not any((folder / name).is_file() for name in _MAKEFILES):
        raise UserError(f"{folder} has no Makefile", hint="name the modules there, in `obj-m`")
    workspace = workspace or Workspace(cache_dir())
    with held_kept_tree(BuildRequest(line), progress=progress, workspace=workspace) as tree:
        make(tree, ("modules", f"M={folder}"))
    key = signing_key(workspace.cache)
    made = modules_of(folder)
    if not made:
        raise UserError(f"the Makefile in {folder} names no module", hint="name it in `obj-m`")
    for module in made:
        module.write_bytes(key.sign(unsigned(module.read_bytes())))
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the modules of a folder and print their sizes."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.kernel.build.modules", allow_abbrev=False
    )
    parser.add_argument("folder", type=Path, help="a folder with the modules' sources and Makefile")
    parser.add_argument(
        "--line", choices=kernel_lines(KERNEL_PATCHES), default=DEFAULT_LINE, help="the kernel line"
    )
    options = parser.parse_args(arguments)
    try:
        made = build_modules(options.folder, line=options.line, progress=_say)
    except UserError as error:
        sys.stderr.write(f"umd-harness: {error}\n")
        return 2
    for module in made:
        sys.stdout.write(f"{options.folder / module.name}: {module.stat().st_size} bytes\n")
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
