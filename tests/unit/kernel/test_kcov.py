# SPDX-License-Identifier: GPL-2.0-only
"""KCOV instruments the files that the series adds or changes, except those the kernel excludes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.host.paths import KERNEL_PATCHES
from harness.kernel.build.kcov import kcov_recipe, kcov_variables
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
    assert "KCOV_INSTRUMENT_umd_lsm.o=$(if $(filter security/umd,$(obj)),y)" in made
    assert "KCOV_INSTRUMENT_core.o=$(if $(filter kernel/events,$(obj)),y)" in made
    assert not [one for one in made if "witness" in one or "test" in one or "sample" in one]


def test_what_the_makefile_of_its_folder_excludes_is_left_out(tmp_path: Path) -> None:
    tree = tree_with(
        tmp_path,
        "CONFIG_KCOV=y\n",
        kernel="KCOV_INSTRUMENT_fork.o := n\n",
        mm="KCOV_INSTRUMENT := n\n",
        arch="KCOV_INSTRUMENT_signal.o := n\n",
    )
    made = " ".join(kcov_variables(tree, SERIES))
    assert "KCOV_INSTRUMENT_signal.o=" in made
    assert "KCOV_INSTRUMENT_fork.o=" not in made
    assert "KCOV_INSTRUMENT_oom_kill.o=" not in made


def test_the_rules_are_inputs_of_a_kernel_with_kcov_alone() -> None:
    folder = KERNEL_PATCHES / "config"
    assert kcov_recipe([folder / "base.config"]) == []
    assert kcov_recipe([folder / "base.config", folder / "kcov.config"])
