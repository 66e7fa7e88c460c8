# SPDX-License-Identifier: GPL-2.0-only
"""series.toml: every overlay file belongs to one commit, and nothing is misspelt in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from miniature_kernel import LINE, SERIES, Miniature, make_miniature, write_files

from harness.host.errors import UserError
from harness.kernel.series.lines import SourcePackage, kernel_lines, source_package
from harness.kernel.series.series_file import load_series

if TYPE_CHECKING:
    from pathlib import Path


ADDED = ("Add the library", "Add the witness")


@pytest.fixture
def mini(tmp_path: Path) -> Miniature:
    return make_miniature(tmp_path)


def test_series_is_read_in_order(mini: Miniature) -> None:
    series = load_series(LINE, patches=mini.patches)
    assert [commit.overlay for commit in series.commits] == [
        ("kernel/library.c",),
        ("kernel/witness/core.c",),
    ]
    assert series.handlers == ("kernel/handler",)


def test_rewording_a_commit_changes_no_content(mini: Miniature) -> None:
    before = load_series(LINE, patches=mini.patches).content()
    (mini.patches / LINE / "series.toml").write_text(SERIES.replace("library", "Library", 1))
    assert load_series(LINE, patches=mini.patches).content() == before


def test_a_message_is_subject_and_body_and_what_holds_with_the_witness(mini: Miniature) -> None:
    text = SERIES.replace("overlay =", "body = 'Why.'\nwitness_body = 'For tests.'\noverlay =", 1)
    text = text.replace("kernel/witness/*", "kernel/umd_witness/*")
    (mini.patches / LINE / "series.toml").write_text(text)
    (mini.patches / "overlay/kernel/witness").rename(mini.patches / "overlay/kernel/umd_witness")
    series = load_series(LINE, patches=mini.patches)
    messages = [commit.message for commit in series.commits]
    assert messages == [
        "kernel: Add the library\n\nWhy.\n\nFor tests.\n",
        "kernel: Add the witness\n",
    ]
    without = series.without_witness()
    assert [commit.message for commit in without.commits] == ["kernel: Add the library\n\nWhy.\n"]
    assert without.handlers == series.handlers


def test_only_a_witness_can_be_left_out(mini: Miniature) -> None:
    with pytest.raises(UserError, match="“kernel: Add the witness”, is not the witness: it adds"):
        load_series(LINE, patches=mini.patches).without_witness()


def test_overlay_file_not_named(mini: Miniature) -> None:
    (mini.patches / "overlay/kernel/stray.c").write_text("")
    with pytest.raises(UserError, match=r"names the overlay file kernel/stray\.c"):
        load_series(LINE, patches=mini.patches)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kernel/witness/*", "kernel/*.c", r"kernel/library\.c in more than one commit"),
        ("kernel/witness/*", "kernel/nothing/*", "matches no file"),
        ("0001-hook", "0002-hook", r"0002-hook\.patch, which is missing"),
        ("handlers", "handlres", "unknown key `handlres`"),
        ("patch =", "patches =", "unknown key `patches`"),
        ("subject", "# subject", "without a subject"),
        (SERIES, "handlers = []", "names no commit"),
        ("[[commit]]", "[[commits", "is not TOML"),
    ],
)
def test_mistakes_are_named(mini: Miniature, old: str, new: str, message: str) -> None:
    (mini.patches / LINE / "series.toml").write_text(SERIES.replace(old, new))
    with pytest.raises(UserError, match=message):
        load_series(LINE, patches=mini.patches)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (("core", "core"), ""),
        (("hardening", "tests"), ""),
        (("hardening", "core"), "“kernel: Add the witness” of the part core after “kernel: Add"),
        (("core", "cores"), "unknown part `cores`; take core, hardening, filter, tests"),
        (("core", ""), "gives only some commits a part: one of"),
    ],
)
def test_parts_come_in_their_order(mini: Miniature, parts: tuple[str, str], message: str) -> None:
    text = SERIES
    for name, part in zip(ADDED, parts, strict=True):
        if part:
            text = text.replace(f'{name}"\n', f'{name}"\npart = "{part}"\n')
    (mini.patches / LINE / "series.toml").write_text(text)
    if message:
        with pytest.raises(UserError, match=message):
            load_series(LINE, patches=mini.patches)
    else:
        commits = load_series(LINE, patches=mini.patches).commits
        assert tuple(commit.part for commit in commits) == parts


def test_unknown_line(mini: Miniature) -> None:
    with pytest.raises(UserError, match=r"no kernel line 9\.9"):
        load_series("9.9", patches=mini.patches)


def test_the_files_that_patches_change(mini: Miniature) -> None:
    assert load_series(LINE, patches=mini.patches).changed_files() == ["kernel/fork.c"]


@pytest.mark.parametrize(
    ("patch", "counts"),
    [
        ("--- a/kernel/fork.c\n+++ b/kernel/fork.c\n--- a/MAINTAINERS\n+++ b/MAINTAINERS\n", False),
        ("--- /dev/null\n+++ b/include/linux/umd.h\n--- a/umd.rst\n+++ /dev/null\n", False),
        ("--- a/kernel/fork.c\n+++ b/kernel/fork.c\n--- a/init/Kconfig\n+++ /dev/null\n", True),
        ("--- a/Makefile\n+++ b/Makefile\n", True),
        ("--- a/scripts/kconfig/parser.c\n+++ b/scripts/kconfig/parser.c\n", True),
        ("diff --git a/x.c b/x.c\nrename from init/Kconfig.umd\nrename to x.c\n", True),
        ("diff --git a/init/Kconfig.umd b/init/Kconfig.umd\nnew file mode 100644\n", True),
        ("no file is named\n", True),
    ],
)
def test_a_patch_of_code_alone_leaves_the_configuration_as_it_is(
    mini: Miniature, patch: str, *, counts: bool
) -> None:
    (mini.patches / LINE / "0001-hook.patch").write_text(patch)
    named = [name for name, _ in load_series(LINE, patches=mini.patches).kconfig_content()]
    assert named == (["patch 0001-hook.patch"] if counts else [])


def test_lines_are_the_folders_in_the_order_of_their_versions(mini: Miniature) -> None:
    for line in ("7.2", "6.1", "10.0"):
        write_files(mini.patches, {f"{line}/series.toml": SERIES})
    assert kernel_lines(mini.patches) == ["6.1", LINE, "7.2", "10.0"]


def test_a_line_may_have_its_source_fetched(mini: Miniature) -> None:
    assert source_package(LINE, patches=mini.patches) is None
    assert source_package("9.9", patches=mini.patches) is None
    source = '[source]\npackage = "linux-source-6.12"\nsuite = "trixie"\n'
    (mini.patches / LINE / "series.toml").write_text(SERIES + source)
    wanted = SourcePackage("linux-source-6.12", "trixie")
    assert source_package(LINE, patches=mini.patches) == wanted
    assert load_series(LINE, patches=mini.patches).handlers == ("kernel/handler",)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('[source]\npackage = "linux"', "no `suite` by Debian's rules"),
        ('[source]\npackage = "../linux"\nsuite = "sid"', "no `package` by Debian's rules"),
        ('[source]\npackage = "linux"\nsuite = "sid"\nurl = "x"', "unknown key `url`"),
        ('source = "sid"', "is no table"),
    ],
)
def test_mistakes_about_the_source_are_named(mini: Miniature, source: str, message: str) -> None:
    (mini.patches / LINE / "series.toml").write_text(f"{source}\n")
    with pytest.raises(UserError, match=message):
        source_package(LINE, patches=mini.patches)


def test_a_line_may_have_overlay_files_of_its_own(mini: Miniature) -> None:
    own = f"{LINE}/overlay/kernel/witness/own.c"
    write_files(mini.patches, {own: "int own;\n"})
    series = load_series(LINE, patches=mini.patches)
    assert series.commits[1].overlay == ("kernel/witness/core.c", "kernel/witness/own.c")
    assert series.overlay_file("kernel/witness/own.c") == mini.patches / own
    assert ("kernel/witness/own.c", b"int own;\n") in series.content()
    shared = mini.patches / "overlay/kernel/witness/core.c"
    assert series.overlay_file("kernel/witness/core.c") == shared
    write_files(mini.patches, {f"{LINE}/overlay/kernel/witness/core.c": "int two;\n"})
    with pytest.raises(UserError, match=r"kernel/witness/core\.c is in .* as well as in"):
        load_series(LINE, patches=mini.patches)


def test_a_lines_fragment_comes_after_the_first(mini: Miniature) -> None:
    config = mini.patches / "config"
    names = ("base.config", "witness.config")
    shared = tuple(config / name for name in names)
    assert load_series(LINE, patches=mini.patches).fragments(names) == shared
    own = mini.patches / LINE / "line.config"
    own.write_text("CONFIG_OWN=y\n")
    series = load_series(LINE, patches=mini.patches)
    assert series.fragments(names) == (shared[0], own, shared[1])
    with pytest.raises(UserError, match=r"no\.config is missing"):
        series.fragments(("base.config", "no.config"))


def test_what_a_line_lacks_has_a_reason(mini: Miniature) -> None:
    path = mini.patches / LINE / "series.toml"
    path.write_text(SERIES + "[lacks]\nBASE = 'it came later'\n")
    assert load_series(LINE, patches=mini.patches).lacks == {"BASE": "it came later"}
    path.write_text(SERIES + "[lacks]\nBASE = ''\n")
    with pytest.raises(UserError, match="no reason why it lacks BASE"):
        load_series(LINE, patches=mini.patches)


def test_a_line_may_be_like_another(mini: Miniature) -> None:
    patches = mini.patches
    first = "[[commit]]\nsubject = 'kernel: Bring it back'\noverlay = ['kernel/framework.c']\n"
    write_files(
        patches,
        {
            "7.2/series.toml": f"like = '{LINE}'\n{first}",
            "7.2/overlay/kernel/framework.c": "int framework;\n",
        },
    )
    with pytest.raises(UserError, match=r"names 0001-hook\.patch, which is missing; add .*7\.2/"):
        load_series("7.2", patches=patches)
    write_files(patches, {"7.2/0001-hook.patch": "of its own\n"})
    series = load_series("7.2", patches=patches)
    subjects = [commit.subject for commit in series.commits]
    assert subjects == [
        "kernel: Bring it back",
        "kernel: Add the library",
        "kernel: Add the witness",
    ]
    assert series.commits[1].patch == patches / "7.2/0001-hook.patch"
    assert series.handlers == ("kernel/handler",)


@pytest.mark.parametrize("other", ["9.9", "7.2", "6.1"])
def test_a_line_is_like_one_with_a_series_of_its_own(mini: Miniature, other: str) -> None:
    write_files(mini.patches, {"6.1/series.toml": f"like = '{LINE}'\n"})
    write_files(mini.patches, {"7.2/series.toml": f"like = '{other}'\n"})
    with pytest.raises(UserError, match=f"like {other}, which has no series of its own"):
        load_series("7.2", patches=mini.patches)
