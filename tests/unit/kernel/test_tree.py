# SPDX-License-Identifier: GPL-2.0-only
"""The kept build tree: a series applied, changed and taken back, touching only what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from miniature_kernel import FILES, LINE, PATCH, SERIES, Miniature, make_miniature, pack

from harness.host.errors import UserError
from harness.kernel.series.series_file import load_series
from harness.kernel.source.build_tree import BuildTree
from harness.kernel.source.tarball import find_source
from harness.kernel.source.tree import FRAMEWORK, prepare, touched_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@pytest.fixture
def mini(tmp_path: Path) -> Miniature:
    return make_miniature(tmp_path)


def apply(
    mini: Miniature, *, members: Sequence[str] = (), said: list[str] | None = None
) -> BuildTree:
    mini.cache.mkdir(exist_ok=True)
    tree = BuildTree(mini.built)
    tree.root.mkdir(parents=True, exist_ok=True)
    source = find_source(LINE, cache=mini.cache, where=mini.sources)
    series = load_series(LINE, patches=mini.patches)
    lines: list[str] = [] if said is None else said
    prepare(tree, source=source, series=series, progress=lines.append, members=members)
    return tree


def times(tree: BuildTree) -> dict[str, int]:
    files = [path for path in tree.source.rglob("*") if path.is_file()]
    return {str(path.relative_to(tree.source)): path.stat().st_mtime_ns for path in files}


def without_witness(mini: Miniature) -> None:
    (mini.patches / LINE / "series.toml").write_text(SERIES.rpartition("[[commit]]")[0])
    (mini.patches / "overlay/kernel/witness/core.c").unlink()


def test_series_is_applied(mini: Miniature) -> None:
    tree = apply(mini)
    assert "fork_hook" in (tree.source / "kernel/fork.c").read_text()
    assert (tree.source / "kernel/witness/core.c").is_file()
    assert tree.added() == {"kernel/library.c", "kernel/witness/core.c"}


def test_a_patch_may_change_what_its_commit_adds(mini: Miniature) -> None:
    change = "--- a/kernel/library.c\n+++ b/kernel/library.c\n@@ -1 +1,2 @@\n"
    change += " int library(void) { return 0; }\n+int changed;\n"
    (mini.patches / LINE / "0001-hook.patch").write_text(PATCH + change)
    for _ in range(2):  # also where the file is there already
        tree = apply(mini)
        assert (tree.source / "kernel/library.c").read_text().endswith("\nint changed;\n")
        assert tree.added() == {"kernel/library.c", "kernel/witness/core.c"}
    assert "int changed" not in (mini.patches / "overlay/kernel/library.c").read_text()


def test_what_a_series_touches(mini: Miniature) -> None:
    assert touched_files(load_series(LINE, patches=mini.patches)) == [
        "kernel/fork.c",
        "kernel/library.c",
        "kernel/witness/core.c",
    ]


def test_nothing_changed_touches_nothing(mini: Miniature) -> None:
    before = times(apply(mini))
    assert times(apply(mini)) == before


def test_only_the_changed_overlay_file_is_touched(mini: Miniature) -> None:
    before = times(apply(mini))
    (mini.patches / "overlay/kernel/library.c").write_text("int changed;\n")
    after = times(apply(mini))
    assert {name for name in after if after[name] != before[name]} == {"kernel/library.c"}


def test_what_changed_is_told(mini: Miniature) -> None:
    said: list[str] = []
    apply(mini, said=said)
    apply(mini, said=said)
    assert not [line for line in said if "changed" in line]
    for name in ("a.c", "b.c"):
        (mini.patches / "overlay/kernel/witness" / name).write_text("int new;\n")
    apply(mini, said=said)
    assert said[-1] == "source: changed kernel/witness/a.c, kernel/witness/b.c"
    for name in ("a.c", "b.c"):
        (mini.patches / "overlay/kernel/witness" / name).unlink()
    without_witness(mini)
    series = mini.patches / LINE / "series.toml"
    series.write_text(series.read_text().replace('patch = "0001-hook.patch"', ""))
    (mini.patches / "overlay/kernel/library.c").write_text("int changed;\n")
    apply(mini, said=said)
    witness = "kernel/witness/a.c, kernel/witness/b.c, kernel/witness/core.c"
    assert said[-1] == f"source: changed {witness} and 2 more"


def test_changed_patch_starts_from_the_pristine_file(mini: Miniature) -> None:
    apply(mini)
    (mini.patches / LINE / "0001-hook.patch").write_text(PATCH.replace("fork_hook", "other"))
    text = (apply(mini).source / "kernel/fork.c").read_text()
    assert "other" in text
    assert "fork_hook" not in text


def test_vanished_files_and_patches_are_taken_back(mini: Miniature) -> None:
    apply(mini)
    without_witness(mini)
    series = mini.patches / LINE / "series.toml"
    series.write_text(series.read_text().replace('patch = "0001-hook.patch"', ""))
    tree = apply(mini)
    assert not (tree.source / "kernel/witness").exists()
    assert (tree.source / "kernel/fork.c").read_text() == FILES["kernel/fork.c"]
    assert tree.added() == {"kernel/library.c"}


def test_a_hand_edit_of_a_patched_file_is_undone(mini: Miniature) -> None:
    tree = apply(mini)
    (tree.source / "kernel/fork.c").write_text("int edited;\n")
    apply(mini)
    assert "fork_hook" in (tree.source / "kernel/fork.c").read_text()


def test_patch_that_does_not_apply_names_file_and_hunk(mini: Miniature) -> None:
    broken = PATCH.replace("return 4", "return 44")
    (mini.patches / LINE / "0001-hook.patch").write_text(broken)
    with pytest.raises(UserError, match=r"0001-hook\.patch does not apply.*hunk 1 of kernel/fork"):
        apply(mini)


def test_patch_of_a_missing_file_names_it(mini: Miniature) -> None:
    (mini.patches / LINE / "0001-hook.patch").write_text(PATCH.replace("fork.c", "spoon.c"))
    with pytest.raises(UserError, match=r"kernel/spoon\.c, which is not there"):
        apply(mini)


def test_patch_that_is_applied_already_is_refused(mini: Miniature) -> None:
    series = SERIES.replace('["kernel/witness/*"]', '["kernel/witness/*"]\npatch = "again.patch"')
    (mini.patches / LINE / "series.toml").write_text(series)
    (mini.patches / LINE / "again.patch").write_text(PATCH)
    with pytest.raises(UserError, match=r"again\.patch does not apply"):
        apply(mini)


def test_garbage_is_not_a_patch(mini: Miniature) -> None:
    (mini.patches / LINE / "0001-hook.patch").write_text(PATCH.replace("+3,7", "+3,9"))
    with pytest.raises(UserError, match="is not a patch"):
        apply(mini)


def test_failed_patch_leaves_the_source_as_it_was(mini: Miniature) -> None:
    before = times(apply(mini))
    (mini.patches / "overlay/kernel/library.c").write_text("int changed;\n")
    (mini.patches / LINE / "0001-hook.patch").write_text(PATCH.replace("return 4", "return 44"))
    with pytest.raises(UserError):
        apply(mini)
    assert times(BuildTree(mini.built)) == before


def test_source_without_framework(mini: Miniature) -> None:
    pack(mini.sources, {name: text for name, text in FILES.items() if name != FRAMEWORK})
    with pytest.raises(UserError, match=r"no user mode driver framework.*removed it in 6\.17"):
        apply(mini)


def test_overlay_may_not_replace_a_source_file(mini: Miniature) -> None:
    (mini.patches / "overlay/kernel/witness/core.c").rename(mini.patches / "overlay/kernel/fork.c")
    path = mini.patches / LINE / "series.toml"
    path.write_text(SERIES.replace("kernel/witness/*", "kernel/fork.c"))
    with pytest.raises(UserError, match=r"kernel/fork\.c exists in the kernel source"):
        apply(mini)


def test_changed_tarball_is_unpacked_again_without_old_objects(mini: Miniature) -> None:
    tree = apply(mini)
    tree.objects.mkdir()
    (tree.objects / "stale.o").write_text("")
    pack(mini.sources, {**FILES, "lib/new.c": "int new;\n"})
    tree = apply(mini)
    assert (tree.source / "lib/new.c").is_file()
    assert "fork_hook" in (tree.source / "kernel/fork.c").read_text()
    assert not tree.objects.exists()


def test_crash_half_way_is_mended(mini: Miniature) -> None:
    """What a killed run leaves: our files noted and written, the patched file not yet."""
    tree = apply(mini)
    (tree.source / "kernel/fork.c").write_text(FILES["kernel/fork.c"])
    (tree.source / "kernel/library.c").unlink()
    tree = apply(mini)
    assert "fork_hook" in (tree.source / "kernel/fork.c").read_text()
    assert (tree.source / "kernel/library.c").is_file()


def test_a_part_of_the_tarball_has_what_the_series_changes(mini: Miniature) -> None:
    tree = apply(mini, members=["lib/*", "*/usermode_driver.c"])
    assert (tree.source / "lib/string.c").is_file()
    assert "fork_hook" in (tree.source / "kernel/fork.c").read_text()
    assert (tree.source / "kernel/library.c").is_file()
    assert not (tree.source / "Kconfig").exists()
