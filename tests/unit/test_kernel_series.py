# SPDX-License-Identifier: GPL-2.0-only
"""series.toml: every overlay file belongs to one commit, and nothing is misspelt in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from miniature_kernel import LINE, SERIES, Miniature, make_miniature

from harness.errors import UserError
from harness.kernel.series import load_series

if TYPE_CHECKING:
    from pathlib import Path


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
        ("[[commit]]", "[[commits", "is not TOML"),
    ],
)
def test_mistakes_are_named(mini: Miniature, old: str, new: str, message: str) -> None:
    (mini.patches / LINE / "series.toml").write_text(SERIES.replace(old, new))
    with pytest.raises(UserError, match=message):
        load_series(LINE, patches=mini.patches)


def test_unknown_line(mini: Miniature) -> None:
    with pytest.raises(UserError, match=r"no kernel line 9\.9"):
        load_series("9.9", patches=mini.patches)


def test_the_files_that_patches_change(mini: Miniature) -> None:
    assert load_series(LINE, patches=mini.patches).changed_files() == ["kernel/fork.c"]
