# SPDX-License-Identifier: GPL-2.0-only
"""The objects that KCOV instruments: those of the C files that the series adds or changes.

Kbuild instruments an object for which a variable says so. It knows objects by their names alone, so
the variable asks for the folder. Without CONFIG_KCOV the variables have no effect.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from harness.kernel.build.config import parse_config, requested_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.kernel.series.commits import Series
    from harness.kernel.source.build_tree import BuildTree

_NOT_OURS = ("kernel/umd_witness/", "tools/", "samples/")
_TEST = "_test.c"


def kcov_recipe(fragments: Sequence[Path]) -> list[tuple[str, bytes]]:
    """Return further inputs of an image: if the fragments ask for KCOV, the rules of this file."""
    if requested_options(fragments).get("KCOV") != "y":
        return []
    return [("kcov", Path(__file__).read_bytes())]


def kcov_variables(tree: BuildTree, series: Series) -> list[str]:
    """Return the variables for make: none for a configuration without KCOV."""
    config = tree.objects / ".config"
    if parse_config(config.read_text(), where=str(config)).get("KCOV") != "y":
        return []
    folders: dict[str, list[str]] = defaultdict(list)
    for name in sorted({name for commit in series.commits for name in commit.files()}):
        path = PurePath(name)
        if _may_be_instrumented(name) and not _is_excluded(tree.source / path.parent, path.stem):
            folders[path.stem].append(str(path.parent))
    return [
        f"KCOV_INSTRUMENT_{stem}.o=$(if $(filter {' '.join(of_stem)},$(obj)),y)"
        for stem, of_stem in folders.items()
    ]


def _may_be_instrumented(name: str) -> bool:
    return name.endswith(".c") and not name.endswith(_TEST) and not name.startswith(_NOT_OURS)


def _is_excluded(folder: Path, stem: str) -> bool:
    """Whether the Makefile of a folder keeps KCOV away from an object, or from all of them."""
    makefile = folder / "Makefile"
    text = makefile.read_text() if makefile.is_file() else ""
    found = rf"^KCOV_INSTRUMENT(_{re.escape(stem)}\.o)?\s*:?=\s*n\b"
    return re.search(found, text, re.MULTILINE) is not None
