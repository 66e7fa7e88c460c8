# SPDX-License-Identifier: GPL-2.0-only
"""Our series beside the changes of others: merged, left out, or refused with both names."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import pytest
from miniature_kernel import LINE, pack, write_files
from own_tree import OWN_FILES, SERIES, Own, make_own

from harness.host.errors import UserError
from harness.kernel.build.plan import BuildRequest, plan_build
from harness.kernel.choice.built import facts_of
from harness.kernel.source.build_tree import BuildTree
from harness.kernel.source.tree import prepare

if TYPE_CHECKING:
    from pathlib import Path

IDS = "include/uapi/linux/lsm.h"
GUIDE = "Documentation/guide.rst"
FORK = "kernel/fork.c"
ADDED = {
    IDS: "#define LSM_ID_IPE 113\n\n/* end */\n",
    GUIDE: "".join(f"line {number}\n" for number in range(20)),
}
LINES = OWN_FILES | ADDED
OUR_ID = LINES[IDS].replace("113\n", "113\n#define LSM_ID_UMD 114\n")
THEIR_ID = LINES[IDS].replace("113\n", "113\n#define LSM_ID_TSEM 114\n")
HOOKED = LINES[FORK].replace("int fork_step_5", "int fork_hook;\nint fork_step_5")


def diff(name: str, new: str, old: str | None = None, *, time: str = "") -> str:
    """A patch from a file's content, in the line's source if none is given, to another one."""
    old = LINES[name] if old is None else old
    sides = old.splitlines(keepends=True), new.splitlines(keepends=True)
    return "".join(difflib.unified_diff(*sides, f"a/{name}", f"b/{name}", time, time))


@pytest.fixture
def own(tmp_path: Path) -> Own:
    """A tree and a line of the same content; our series changes its identifiers and fork."""
    own = make_own(tmp_path, library=False)
    pack(own.mini.sources, LINES)
    write_files(own.tree, ADDED)
    ours = diff(IDS, OUR_ID) + diff(FORK, HOOKED)
    write_files(own.mini.patches, {f"{LINE}/0001-hook.patch": ours, f"{LINE}/series.toml": SERIES})
    return own


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """The folder of their patches."""
    (tmp_path / "theirs").mkdir()
    return tmp_path / "theirs"


def prepared(own: Own, **options: object) -> tuple[Path, list[str]]:
    """Apply the patches of a choice with our series, and return the source and what was told."""
    choice = own.choice(with_library=True, **options)
    plan = plan_build(BuildRequest(LINE, choice=choice), own.mini.workspace, progress=print)
    tree = BuildTree(own.mini.cache / "build" / choice.folder)
    tree.root.mkdir(parents=True, exist_ok=True)
    told = prepare(tree, source=plan.source, series=plan.series, progress=print, base=plan.base)
    return tree.source, told


BOTH = "#define LSM_ID_UMD 114\n#define LSM_ID_TSEM 114\n"
OURS = "0001-hook.patch of our series for 6.12"


def test_their_patch_adds_to_the_same_list(own: Own, theirs: Path) -> None:
    (theirs / "1.patch").write_text(diff(IDS, THEIR_ID, time="2024-08-26 05:37:28 -0500"))
    source, told = prepared(own, tree=None, patches=theirs)
    assert BOTH in (source / IDS).read_text()
    assert told == [
        f"{IDS} is merged: 1.patch and {OURS} add to a list (line 2)",
        f"{IDS} now has LSM_ID_UMD and LSM_ID_TSEM as the same number",
    ]
    assert prepared(own, tree=None, patches=theirs)[1] == told, "also on the kept tree"


def test_our_patch_adds_to_the_list_of_a_tree(own: Own) -> None:
    write_files(own.tree, {IDS: THEIR_ID})
    source, told = prepared(own)
    assert (
        (source / IDS)
        .read_text()
        .startswith("#define LSM_ID_IPE 113\n#define LSM_ID_TSEM 114\n#define LSM_ID_UMD 114\n")
    )
    assert told[0] == f"{IDS} is merged: {OURS} and the source of linux add to a list (line 2)"


def test_their_second_patch_stands_on_their_first(own: Own, theirs: Path) -> None:
    second = THEIR_ID.replace("TSEM 114\n", "TSEM 114\n#define LSM_ID_MORE 115\n")
    patches = {"1.patch": diff(IDS, THEIR_ID), "2.patch": diff(IDS, second, THEIR_ID)}
    write_files(theirs, patches)
    source, told = prepared(own, tree=None, patches=theirs)
    assert f"{BOTH}#define LSM_ID_MORE 115\n" in (source / IDS).read_text()
    assert [line.partition(" and ")[0] for line in told if "merged" in line] == [
        f"{IDS} is merged: 1.patch",
        f"{IDS} is merged: 2.patch",
    ]


def test_a_change_close_to_ours_is_merged(own: Own, theirs: Path) -> None:
    near = LINES[FORK].replace("return 3;", "return 33;")
    (theirs / "near.patch").write_text(diff(FORK, near))
    source, told = prepared(own, tree=None, patches=theirs)
    assert (source / FORK).read_text() == HOOKED.replace("return 3;", "return 33;")
    assert told == [f"{FORK} is merged: near.patch and {OURS} change lines close to each other"]


def test_a_conflict_names_file_hunk_and_both_patches(own: Own, theirs: Path) -> None:
    same = LINES[FORK].replace("return 0;", "return 1;").replace("\nint fork_step_5", "\nint x;\n")
    (theirs / "1.patch").write_text(diff(IDS, THEIR_ID) + diff(FORK, same))
    with pytest.raises(UserError) as caught:
        prepared(own, tree=None, patches=theirs)
    assert caught.value.message == (
        f"1.patch conflicts with {OURS}: hunk 1 of {FORK} has `int x;` where the other has "
        "`int fork_hook;`"
    )


def test_an_error_is_about_the_file_that_is_not_merged(own: Own, theirs: Path) -> None:
    absent = diff(FORK, "int other;\n", "int another;\n")
    (theirs / "1.patch").write_text(diff(IDS, THEIR_ID) + absent)
    with pytest.raises(
        UserError, match=rf"1\.patch does not apply .*: hunk 1 of {FORK}, at line 1"
    ):
        prepared(own, tree=None, patches=theirs)


def test_a_patch_that_does_not_fit_its_own_base_is_refused(own: Own, theirs: Path) -> None:
    older = LINES[IDS].replace("113", "112")
    (theirs / "1.patch").write_text(diff(IDS, THEIR_ID.replace("113", "112"), older))
    with pytest.raises(UserError, match=rf"hunk 1 of {IDS}, at line 1"):
        prepared(own, tree=None, patches=theirs)


CHANGED = LINES[GUIDE].replace("line 1\n", "one\n").replace("line 15\n", "fifteen\n")


def test_hunks_of_documentation_are_left_out_if_asked(own: Own, theirs: Path) -> None:
    older = LINES[GUIDE].replace("line 16\n", "old\n")
    text = diff(GUIDE, CHANGED.replace("line 16\n", "old\n"), older)
    gone = "".join(
        f"--- a/{name}\n+++ b/{name}\n@@ -1 +1 @@\n-a\n+b\n"
        for name in ("Documentation/gone.rst", "MAINTAINERS")
    )
    (theirs / "1.patch").write_text(text + gone + diff(FORK, LINES[FORK] + "int more;\n"))
    with pytest.raises(
        UserError, match=rf"hunk 2 of {GUIDE}, .*leave the hunk out with --skip-docs"
    ):
        prepared(own, tree=None, patches=theirs)
    source, told = prepared(own, tree=None, patches=theirs, skip_docs=True)
    assert (source / GUIDE).read_text() == LINES[GUIDE].replace("line 1\n", "one\n")
    assert (source / FORK).read_text().endswith("int more;\n")
    assert told == [
        f"hunk 2 of {GUIDE} is left out: 1.patch",
        "the changes of Documentation/gone.rst are left out: 1.patch",
        "the changes of MAINTAINERS are left out: 1.patch",
    ]
    assert not list(source.rglob("*.rej"))


def test_code_is_never_left_out(own: Own, theirs: Path) -> None:
    (theirs / "1.patch").write_text(diff(FORK, "int other;\n", "int another;\n"))
    with pytest.raises(UserError, match=r"rebase it, or take another tree"):
        prepared(own, tree=None, patches=theirs, skip_docs=True)


def test_a_kernel_without_hunks_has_another_key(own: Own, theirs: Path) -> None:
    (theirs / "1.patch").write_text(diff(FORK, LINES[FORK] + "int more;\n"))
    keys = {
        plan_build(
            BuildRequest(
                LINE, choice=own.choice(patches=theirs, with_library=True, skip_docs=skip)
            ),
            own.mini.workspace,
            progress=print,
        ).key
        for skip in (False, True)
    }
    assert len(keys) == 2
    assert "--skip-docs" in own.choice(patches=theirs, skip_docs=True).words()


def test_a_build_keeps_what_was_merged(own: Own, theirs: Path) -> None:
    (theirs / "1.patch").write_text(diff(IDS, THEIR_ID))
    for _ in range(2):  # the second is found in the cache
        image = own.build(patches=theirs, with_library=True)
        assert [line.partition(":")[0] for line in image.merged] == [
            f"{IDS} is merged",
            f"{IDS} now has LSM_ID_UMD and LSM_ID_TSEM as the same number",
        ]


def test_a_header_has_what_was_merged(
    own: Own, theirs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(theirs.parent / "cache"))
    (theirs / "1.patch").write_text(diff(IDS, THEIR_ID))
    choice = own.choice(patches=theirs, with_library=True, skip_docs=True)
    facts = facts_of(choice, [f"{IDS} is merged"])
    assert facts["merged"] == [f"{IDS} is merged"]
    assert facts["skip_docs"] is True


def test_the_configuration_of_git_has_no_effect(
    own: Own, theirs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(theirs.parent, {".gitconfig": "[apply]\n\twhitespace = fix\n"})
    monkeypatch.setenv("HOME", str(theirs.parent))
    (theirs / "1.patch").write_text(diff(IDS, THEIR_ID.replace("TSEM 114", "TSEM 114  ")))
    source, _ = prepared(own, tree=None, patches=theirs)
    assert "#define LSM_ID_TSEM 114  \n" in (source / IDS).read_text()
