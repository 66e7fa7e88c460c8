# SPDX-License-Identifier: GPL-2.0-only
"""The objects whose coverage KCOV tells: those that the series adds to the kernel or changes there.

Kbuild instruments an object for which a variable says so. Without CONFIG_KCOV the variables have no
effect; with CONFIG_KCOV_INSTRUMENT_ALL the whole kernel is instrumented anyway.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING

from harness.kernel.build.config import parse_config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.kernel.series.commits import Series
    from harness.kernel.source.build_tree import BuildTree

_NOT_TRACED = ("kernel/umd_witness/", "tools/", "samples/")
_NOT_TRACED_END = "_test.c"


def kcov_variables(tree: BuildTree, series: Series) -> list[str]:
    """Return the variables for make: none for a configuration without KCOV."""
    config = tree.objects / ".config"
    if parse_config(config.read_text(), where=str(config)).get("KCOV") != "y":
        return []
    files = {name for commit in series.commits for name in commit.files()}
    return [f"KCOV_INSTRUMENT_{stem}.o=y" for stem in sorted(_traced(files, tree.source))]


def _traced(files: set[str], source: Path) -> Iterator[str]:
    """Yield the names, without an end, of the files that may be traced."""
    for path in map(PurePath, files):
        name = str(path)
        if path.suffix != ".c" or name.startswith(_NOT_TRACED) or name.endswith(_NOT_TRACED_END):
            continue
        if not _is_excluded(source / path.parent / "Makefile", path.stem):
            yield path.stem


def _is_excluded(makefile: Path, stem: str) -> bool:
    """Whether the kernel's own Makefile keeps KCOV away from an object, or from its folder."""
    text = makefile.read_text() if makefile.is_file() else ""
    found = rf"^KCOV_INSTRUMENT(_{re.escape(stem)}\.o)?\s*:?=\s*n\b"
    return re.search(found, text, re.MULTILINE) is not None
