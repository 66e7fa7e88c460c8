# SPDX-License-Identifier: GPL-2.0-only
"""KCOV instruments the files that the series adds or changes, except those the kernel excludes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.host.paths import KERNEL_PATCHES
from harness.kernel.build.kcov import kcov_variables
from harness.kernel.series.series_file import load_series
from harness.kernel.source.build_tree import BuildTree

if TYPE_CHECKING:
    from pathlib import Path

SERIES = load_series("6.12", patches=KERNEL_PATCHES)


def tree_with(root: Path, config: str, **makefiles: str) -> BuildTree:
    tree = BuildTree(root)
    tree.objects.mkdir(parents=True)
    (tree.objects / ".config").write_text(config)
    for folder, text in makefiles.items():
        path = tree.source / folder / "Makefile"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return tree


def test_nothing_is_instrumented_without_kcov(tmp_path: Path) -> None:
    assert kcov_variables(tree_with(tmp_path, "# CONFIG_KCOV is not set\n"), SERIES) == []


def test_the_objects_of_the_series_are_instrumented(tmp_path: Path) -> None:
    made = kcov_variables(tree_with(tmp_path, "CONFIG_KCOV=y\n"), SERIES)
    assert {f"KCOV_INSTRUMENT_{name}.o=y" for name in ("umd_lsm", "signal", "cgroup")} <= set(made)
    assert not [one for one in made if "witness" in one or "test" in one or "sample" in one]


def test_a_name_that_a_makefile_excludes_anywhere_is_left_out(tmp_path: Path) -> None:
    tree = tree_with(
        tmp_path,
        "CONFIG_KCOV=y\n",
        kernel="KCOV_INSTRUMENT_signal.o := n\n",
        sched="KCOV_INSTRUMENT := n\n",
    )
    (tree.source / "sched/core.c").write_text("")
    made = kcov_variables(tree, SERIES)
    assert "KCOV_INSTRUMENT_fork.o=y" in made
    assert not {"KCOV_INSTRUMENT_signal.o=y", "KCOV_INSTRUMENT_core.o=y"} & set(made)
