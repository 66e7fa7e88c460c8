# SPDX-License-Identifier: GPL-2.0-only
"""The objects that KCOV instruments: those of the C files that the series adds or changes.

Kbuild instruments an object for which a variable says so. It knows objects by their names alone. So
a name is left out if a Makefile of the kernel excludes an object of that name, in whatever folder.
Without CONFIG_KCOV the variables have no effect.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING

from harness.kernel.build.config import parse_config

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from harness.kernel.series.commits import Series
    from harness.kernel.source.build_tree import BuildTree

_NOT_OURS = ("kernel/umd_witness/", "tools/", "samples/")
_TEST = "_test.c"
_FOLDER = re.compile(r"^KCOV_INSTRUMENT\s*:?=\s*n\b", re.MULTILINE)
_OBJECT = re.compile(r"^KCOV_INSTRUMENT_([\w.-]+)\.o\s*:?=\s*n\b", re.MULTILINE)


def kcov_variables(tree: BuildTree, series: Series) -> list[str]:
    """Return the variables for make: none for a configuration without KCOV."""
    config = tree.objects / ".config"
    if parse_config(config.read_text(), where=str(config)).get("KCOV") != "y":
        return []
    files = {name for commit in series.commits for name in commit.files()}
    stems = {PurePath(name).stem for name in files if _may_be_instrumented(name)}
    kept = stems - _excluded(tree.source.rglob("Makefile"))
    return [f"KCOV_INSTRUMENT_{stem}.o=y" for stem in sorted(kept)]


def _may_be_instrumented(name: str) -> bool:
    return name.endswith(".c") and not name.endswith(_TEST) and not name.startswith(_NOT_OURS)


def _excluded(makefiles: Iterable[Path]) -> set[str]:
    """Return the stems of the files that the kernel's own Makefiles keep KCOV away from."""
    found: set[str] = set()
    for makefile in makefiles:
        text = makefile.read_text(errors="replace")
        found.update(_OBJECT.findall(text))
        if _FOLDER.search(text):
            found.update(path.stem for path in makefile.parent.glob("*.c"))
    return found
