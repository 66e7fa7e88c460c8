# SPDX-License-Identifier: GPL-2.0-only
"""New build trees: what they share with others, and what of them stays after a failure."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from miniature_kernel import LINE, PATCH
from own_tree import CHANGE_STRING, OWN_FILES, Own, make_own

from harness.cache.locks import locked
from harness.host.errors import UserError
from harness.kernel.series.series_file import load_series
from harness.kernel.source.build_tree import BuildTree
from harness.kernel.source.checkout import read_checkout
from harness.kernel.source.tarball import find_source
from harness.kernel.source.tree import prepare

if TYPE_CHECKING:
    from pathlib import Path

    from harness.kernel.source.checkout import Checkout
    from harness.kernel.source.tarball import Source

STRING = "lib/string.c"
FORK = "kernel/fork.c"


@pytest.fixture
def own(tmp_path: Path) -> Own:
    return make_own(tmp_path, library=False)


def built(own: Own, name: str, source: Source | Checkout | None = None) -> Path:
    """Prepare a build tree, of the line's tarball if no source is given; return its source."""
    tree = BuildTree(own.mini.cache / "build" / name)
    tree.root.mkdir(parents=True, exist_ok=True)
    own.said.clear()
    prepare(
        tree,
        source=source or find_source(LINE, cache=own.mini.cache, where=own.mini.sources),
        series=load_series(LINE, patches=own.mini.patches),
        progress=own.said.append,
    )
    return tree.source


def checkout(own: Own) -> Checkout:
    return read_checkout(own.tree, line="linux", cache=own.mini.cache)


def are_shared(first: Path, second: Path, name: str) -> bool:
    return (first / name).samefile(second / name)


def test_a_second_tree_shares_the_files_of_the_tarball(own: Own) -> None:
    first, second = built(own, "first"), built(own, "second")
    assert own.said[0] == "source: taking the files of the build tree first"
    assert are_shared(first, second, STRING)
    assert not are_shared(first, second, FORK), "a patch has changed it"
    names = {str(path.relative_to(first)) for path in first.rglob("*")}
    assert names == {str(path.relative_to(second)) for path in second.rglob("*")}
    assert all(
        (first / n).read_bytes() == (second / n).read_bytes()
        for n in names
        if (first / n).is_file()
    )


def test_a_change_of_a_shared_file_stays_in_its_tree(own: Own) -> None:
    first, second = built(own, "first"), built(own, "second")
    (own.mini.patches / LINE / "0001-hook.patch").write_text(PATCH + CHANGE_STRING)
    built(own, "second")
    assert "return 1" in (second / STRING).read_text()
    assert (first / STRING).read_text() == OWN_FILES[STRING]
    third = built(own, "third")
    assert own.said[0] == "source: taking the files of the build tree first"
    assert "return 1" in (third / STRING).read_text()
    assert (first / STRING).read_text() == OWN_FILES[STRING]


def test_an_edited_or_busy_tree_lends_nothing(own: Own) -> None:
    first = built(own, "first")
    with locked(BuildTree(first.parent).lock, seconds=60):
        built(own, "second")
    assert own.said[0].startswith("source: unpacking ")
    shutil.rmtree(own.mini.cache / "build/second")
    (first / STRING).write_text("int edited;\n")
    assert (built(own, "third") / STRING).read_text() == OWN_FILES[STRING]
    assert own.said[0].startswith("source: unpacking ")


def test_copies_of_trees_share_their_files(own: Own) -> None:
    first, second = (built(own, name, checkout(own)) for name in ("first", "second"))
    assert are_shared(first, second, STRING)
    assert not are_shared(first, second, FORK)
    assert not are_shared(first, own.tree, STRING), "the tree itself is only read"
    (own.tree / STRING).write_text("int changed;\n")
    assert (built(own, "second", checkout(own)) / STRING).read_text() == "int changed;\n"
    assert (first / STRING).read_text() == OWN_FILES[STRING]


def test_an_edited_copy_is_not_shared(own: Own) -> None:
    first = built(own, "first", checkout(own))
    (first / STRING).write_text("int edited;\n")
    assert (built(own, "second", checkout(own)) / STRING).read_text() == OWN_FILES[STRING]


def test_a_tree_with_objects_shares_nothing(own: Own) -> None:
    """Its objects would be newer than a linked file whose content is another."""
    first = built(own, "first", checkout(own))
    second = built(own, "second", checkout(own))
    (second.parent / "objects").mkdir()
    (own.tree / STRING).write_text("int changed;\n")
    built(own, "first", checkout(own))
    assert (built(own, "second", checkout(own)) / STRING).read_text() == "int changed;\n"
    assert not are_shared(first, second, STRING)


def test_patches_that_do_not_apply_copy_nothing(own: Own) -> None:
    (own.tree / FORK).write_text("int other;\n")
    with pytest.raises(UserError, match="does not apply"):
        built(own, "first", checkout(own))
    assert not (own.mini.cache / "build/first/source").exists()


def test_a_long_copy_says_how_far_it_is(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.kernel.source.tree_copy._TOLD", 1)
    read = checkout(own)
    built(own, "first", read)
    assert f"source: copying 1 of {len(read.files)} files" in "\n".join(own.said)


def test_a_copy_that_failed_goes_on(own: Own) -> None:
    read = checkout(own)
    last = list(read.files)[-1]
    before = (own.tree / last).read_bytes()
    (own.tree / last).write_bytes(b"changed meanwhile\n")
    with pytest.raises(UserError, match="changed while it was copied"):
        built(own, "first", read)
    (own.tree / last).write_bytes(before)
    source = built(own, "first", checkout(own))
    assert f"source: 1 files of {own.tree} to copy, 0 gone" in own.said
    assert (source / last).read_bytes() == before
