# SPDX-License-Identifier: GPL-2.0-only
"""A part of a series with the witness on top, and its image, with the miniature kernel."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from miniature_kernel import FILES, LINE, MAKEFILE, Miniature, make_miniature, pack

from harness.host.errors import DoesNotBuild, UserError
from harness.host.paths import KERNEL_PATCHES
from harness.kernel.build.artifacts import BZIMAGE
from harness.kernel.build.build import kept_tree, kernel_image
from harness.kernel.build.plan import BuildRequest
from harness.kernel.series.series_file import load_series

if TYPE_CHECKING:
    from pathlib import Path

    from harness.kernel.build.images import KernelImage
    from harness.kernel.source.build_tree import BuildTree


@pytest.fixture
def mini(tmp_path: Path) -> Miniature:
    return make_miniature(tmp_path)


def build(mini: Miniature, step: int | None) -> KernelImage:
    return kernel_image(
        BuildRequest(LINE, step=step), progress=lambda _: None, workspace=mini.workspace
    )


def test_a_step_has_its_commits_and_the_witness(mini: Miniature) -> None:
    series = load_series(LINE, patches=mini.patches)
    none, whole = series.step(0), series.step(1)
    assert [commit.subject for commit in none.commits] == ["kernel: Add the witness"]
    assert none.handlers == (), "nothing is added to its folder yet"
    assert whole == series
    for number in (-1, 2):
        with pytest.raises(UserError, match=r"no step .*; it has 0 to 1, each with the witness"):
            series.step(number)


def test_the_shipped_series_loses_its_handlers_with_the_commits_that_bring_them() -> None:
    series = load_series("6.12", patches=KERNEL_PATCHES)
    library = series.step(2)
    assert "samples/umd/sample_umh" in series.step(3).handlers
    assert set(series.handlers) - set(library.handlers) == {"samples/umd/sample_umh"}
    assert series.step(len(series.commits) - 1) == series


def test_a_step_is_built_in_the_same_tree_without_what_is_not_there_yet(mini: Miniature) -> None:
    whole = build(mini, None)
    assert whole.symbol("fork_hook") >= 0
    step = build(mini, 0)
    assert step.key != whole.key
    with pytest.raises(UserError, match="has no symbol fork_hook"):
        step.symbol("fork_hook")
    assert step.symbol("witness") >= 0
    assert "CONFIG_WITNESS" not in step.config.read_text(), "no Kconfig file has that option"
    assert build(mini, 0) == step
    assert build(mini, 1) == whole, "all commits are the line itself, found where it was built"
    assert build(mini, None).symbol("fork_hook") >= 0


def kept(mini: Miniature, said: list[str]) -> BuildTree:
    return kept_tree(BuildRequest(LINE), progress=said.append, workspace=mini.workspace)


def test_the_tree_of_the_whole_is_brought_back_from_a_step(mini: Miniature) -> None:
    whole, step = build(mini, None), build(mini, 0)
    said: list[str] = []
    built = kept(mini, said).objects / BZIMAGE
    assert built.read_bytes() == whole.bzimage.read_bytes() != step.bzimage.read_bytes()
    assert said[0] == "kernel: the build tree holds another kernel, so this one is made again"
    said.clear()
    assert "fork_hook" in (kept(mini, said).source / "kernel/fork.c").read_text()
    assert said == []


def test_a_tree_that_does_not_give_its_image_again_is_told(mini: Miniature) -> None:
    dated = MAKEFILE.replace("@cat $^ >", "@(cat $^; date +%s.%N) >")
    pack(mini.sources, {**FILES, "Makefile": dated})
    build(mini, None), build(mini, 0)
    with pytest.raises(UserError, match=r"the build of 6\.12 does not give its image again; rm -r"):
        kept(mini, [])


def test_a_tree_is_not_brought_back_onto_a_full_disk(mini: Miniature) -> None:
    build(mini, None), build(mini, 0)
    full = replace(mini.workspace, free_space=1 << 60)
    with pytest.raises(UserError, match=r"building the kernel needs .* GiB free"):
        kept_tree(BuildRequest(LINE), progress=lambda _: None, workspace=full)


def test_steps_do_not_crowd_out_the_line(mini: Miniature) -> None:
    whole, step = build(mini, None), build(mini, 0)
    assert (whole.meta["flavour"], step.meta["flavour"]) == ("", "step")


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("overlay/kernel/library.c", "int library(void) { return }\n", "expected expression"),
        (f"{LINE}/0001-hook.patch", None, "does not apply"),
    ],
)
def test_sources_that_do_not_build_are_told_from_a_machine_that_cannot(
    mini: Miniature, file: str, content: str | None, said: str
) -> None:
    path = mini.patches / file
    path.write_text(content or path.read_text().replace("fork_step_5", "fork_step_55"))
    with pytest.raises(DoesNotBuild, match=said):
        build(mini, 1)
    assert build(mini, 0).symbol("witness") >= 0


@pytest.fixture
def witnessed(mini: Miniature) -> Miniature:
    """The miniature with its witness in the folder where the real one is."""
    overlay, series = mini.patches / "overlay/kernel", mini.patches / LINE / "series.toml"
    (overlay / "witness").rename(overlay / "umd_witness")
    series.write_text(series.read_text().replace("kernel/witness/", "kernel/umd_witness/"))
    return mini


def plain(mini: Miniature, step: int | None) -> KernelImage:
    return kernel_image(
        BuildRequest(LINE, step=step, has_witness=False),
        progress=lambda _: None,
        workspace=mini.workspace,
    )


def test_the_stock_kernel_and_the_series_without_the_witness(witnessed: Miniature) -> None:
    whole, stock, series = build(witnessed, None), plain(witnessed, 0), plain(witnessed, None)
    assert len({whole.key, stock.key, series.key}) == 3
    assert "witness" in whole.symbols
    assert {"library", "fork_hook"} <= series.symbols.keys()
    assert not {"witness", "library", "fork_hook"} & stock.symbols.keys()
    assert "witness" not in series.symbols
    said: list[str] = []
    assert kept(witnessed, said).source.is_dir()
    assert said == [], "the tree of the line's own kernel is as it was"


def test_a_stock_kernel_needs_no_framework(witnessed: Miniature) -> None:
    without = {name: text for name, text in FILES.items() if "usermode_driver" not in name}
    pack(witnessed.sources, without)
    assert "fork_step_0" in plain(witnessed, 0).symbols
    with pytest.raises(UserError, match="has no user mode driver framework"):
        plain(witnessed, None)
