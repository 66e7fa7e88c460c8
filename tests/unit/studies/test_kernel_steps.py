# SPDX-License-Identifier: GPL-2.0-only
"""The steps of a user's own series: which there are, which is an end, and what each builds."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from miniature_kernel import PATCH
from own_tree import ADD_LIBRARY, CHANGE_STRING, Own, make_own
from small_corpus import SMALL

from harness.host.errors import UserError
from harness.kernel.build.plan import BuildPlan, BuildRequest, plan_build
from harness.kernel.choice.parts import LIBRARY
from harness.studies.bisect import step_of
from harness.studies.kernel_steps import KernelSteps

if TYPE_CHECKING:
    from pathlib import Path

MAIL = "From: Ada <ada@example.org>\nSubject: [PATCH] {}\n\nWhy.\n---\n{}"
ADD_WITNESS = """\
--- /dev/null
+++ b/kernel/umd_witness/core.c
@@ -0,0 +1 @@
+int umd_witness(void) { return 0; }
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Own:
    """A tree with the library. No test changes it."""
    return make_own(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def bare(own: Own) -> Own:
    """The same tree without the library."""
    tree = own.tree.with_name("bare")
    shutil.copytree(own.tree, tree)
    (tree / LIBRARY).unlink()
    return replace(own, tree=tree)


def series(root: Path, **patches: str) -> Path:
    """A folder with patches; a mail for each that has a subject of its own."""
    folder = root / "series"
    folder.mkdir()
    for number, (subject, patch) in enumerate(patches.items(), start=1):
        text = patch if subject.startswith("plain") else MAIL.format(subject, patch)
        (folder / f"{number:04}-{subject}.patch").write_text(text)
    return folder


def steps(own: Own, **choice: Any) -> KernelSteps:
    chosen = own.choice(**choice)
    found = KernelSteps(chosen.name, SMALL, chosen, patches=own.mini.patches)
    found.check()
    return found


def plan(own: Own, number: int | None, **choice: Any) -> BuildPlan:
    chosen = own.choice(**choice)
    request = BuildRequest(chosen.name, step=number, choice=chosen)
    return plan_build(request, own.mini.workspace, progress=lambda _: None)


def test_each_patch_on_a_tree_is_a_step(own: Own, tmp_path: Path) -> None:
    patches = series(tmp_path, Hook=PATCH, plain=CHANGE_STRING)
    found = steps(own, patches=patches)
    assert (found.first, found.plain, found.last) == (0, 0, 2)
    assert (found.subject(1), found.subject(2)) == ("Hook", "0002-plain.patch")
    assert found.message(1) == "Hook\n"
    assert step_of(found, "hook") == 1


def test_a_series_that_brings_the_library_begins_there(bare: Own, tmp_path: Path) -> None:
    patches = series(tmp_path, Hook=PATCH, Library=ADD_LIBRARY, String=CHANGE_STRING)
    found = steps(bare, patches=patches)
    assert (found.first, found.plain, found.last) == (2, 2, 3)
    with pytest.raises(UserError, match="step 1 cannot be tried: the witness needs the library"):
        step_of(found, "1")


def test_a_series_on_top_of_ours_is_searched_by_default(bare: Own, tmp_path: Path) -> None:
    patches = series(tmp_path, String=CHANGE_STRING)
    found = steps(bare, patches=patches, with_library=True)
    assert (found.first, found.plain, found.last) == (2, 2, 3)
    assert [found.subject(number) for number in (1, 2, 3)] == [
        "kernel: Clean up",
        "kernel: Add the library",
        "String",
    ]


def test_each_step_builds_the_commits_so_far_and_the_witness(own: Own, tmp_path: Path) -> None:
    (tmp_path / "my.config").write_text("CONFIG_MINE=y\n")
    choice = {
        "patches": series(tmp_path, Hook=PATCH, String=CHANGE_STRING),
        "fragments": (tmp_path / "my.config",),
    }
    plans = [plan(own, number, **choice) for number in (0, 1, 2, None)]
    subjects = [[commit.subject for commit in one.series.commits] for one in plans]
    witness = subjects[0]
    assert subjects == [
        witness,
        ["Hook", *witness],
        ["Hook", "String", *witness],
        ["Hook", "String", *witness],
    ]
    assert len({one.key for one in plans}) == 3, "the last step is the whole kernel"
    assert plans[2].key == plans[3].key
    for one, required in zip(plans, ([], [], ["my.config"]), strict=False):
        assert [path.name for path in one.fragments] == required, "a part may lack an option"


@pytest.mark.parametrize(
    ("choice", "why"),
    [
        ({}, "linux has no series of several steps; name it with --patches, or take ours with --w"),
        ({"tree": None, "bzimage": "b", "vmlinux": "b"}, "--kernel is a kernel that is already bu"),
        (
            {"patches": "w"},
            r"linux\+w has the witness already, .*; leave the patch out that",
        ),
    ],
)
def test_what_has_no_steps_is_told(
    own: Own, tmp_path: Path, choice: dict[str, Any], why: str
) -> None:
    (tmp_path / "b").write_text("")
    (tmp_path / "w").write_text(ADD_WITNESS)
    paths = {name: tmp_path / value if value else None for name, value in choice.items()}
    with pytest.raises(UserError, match=why):
        steps(own, **paths)
