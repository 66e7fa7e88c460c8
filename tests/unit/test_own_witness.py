# SPDX-License-Identifier: GPL-2.0-only
"""The witness on a tree of the user's: as the nearest line has it, from the patches we ship."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from miniature_kernel import write_files

from harness.host.errors import UserError
from harness.host.paths import KERNEL_PATCHES
from harness.kernel.choice.kernel_choice import KernelChoice
from harness.kernel.choice.parts import LIBRARY, parts_of
from harness.kernel.series.commits import WITNESS
from harness.kernel.series.lines import kernel_lines, nearest_line
from harness.kernel.series.series_file import load_series
from harness.kernel.source.build_tree import BuildTree
from harness.kernel.source.tree import FRAMEWORK, prepare, write_overlay

if TYPE_CHECKING:
    from pathlib import Path

LINES = kernel_lines(KERNEL_PATCHES)


def tree_of(release: str, folder: Path) -> Path:
    """A tree of that release with a library of its own: no more than is looked at."""
    version, patchlevel = release.split(".")
    write_files(
        folder,
        {
            "Makefile": f"VERSION = {version}\nPATCHLEVEL = {patchlevel}\nSUBLEVEL = 7\n",
            "Kconfig": "",
            "arch/x86/Kconfig": "",
            "init/Kconfig": "# of init\n",
            "kernel/Makefile": "# of kernel\n",
            FRAMEWORK: "",
            LIBRARY: "",
        },
    )
    return folder


def witness_of(line: str, folder: Path) -> dict[str, str]:
    """The witness's files as the line's own kernel has them."""
    folder.mkdir()
    write_overlay(load_series(line, patches=KERNEL_PATCHES), folder)
    return witness_in(folder)


def witness_in(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in (folder / WITNESS).rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("line", LINES)
def test_a_tree_of_a_line_gets_the_witness_of_that_line(tmp_path: Path, line: str) -> None:
    choice = KernelChoice("6.12", tree=tree_of(line, tmp_path / "linux"))
    parts = parts_of(choice, cache=tmp_path)
    tree = BuildTree(tmp_path / "build")
    tree.root.mkdir()
    prepare(tree, source=parts.source, series=parts.series, progress=lambda _: None)
    assert witness_in(tree.source) == witness_of(line, tmp_path / "ours")
    assert "umd_witness" in (tree.source / "init/Kconfig").read_text()
    assert "umd_witness" in (tree.source / "kernel/Makefile").read_text()
    assert not (tree.source / "MAINTAINERS").exists(), "it takes none of the patch's other files"


def test_the_lines_differ_in_their_witness(tmp_path: Path) -> None:
    """Or the test before would show nothing."""
    witnesses = {str(witness_of(line, tmp_path / line)) for line in LINES}
    assert len(witnesses) == len(LINES) >= 3


@pytest.mark.parametrize(
    ("version", "line"),
    [
        ("5.10.200", "6.1"),
        ("6.1.192", "6.1"),
        ("6.2.0", "6.12"),
        ("6.6.1-own", "6.12"),
        ("6.12.94", "6.12"),
        ("6.16.0", "6.12"),
        ("6.17.0-rc1", "7.2"),
        ("7.2.1", "7.2"),
        ("8.0.0", "7.2"),
        ("", ""),
    ],
)
def test_the_nearest_line_is_taken(version: str, line: str) -> None:
    assert nearest_line(version, patches=KERNEL_PATCHES) == line


def test_an_end_that_is_no_release_is_refused(tmp_path: Path) -> None:
    write_files(tmp_path, {"6.1/series.toml": 'until = "soon"\n'})
    with pytest.raises(UserError, match=r"6\.1/series\.toml has until = 'soon'"):
        nearest_line("6.6.1", patches=tmp_path)
