# SPDX-License-Identifier: GPL-2.0-only
"""A path for output is checked, and nothing is left there."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli.main import main
from harness.host.errors import UserError
from harness.host.output_paths import check_output_file, check_output_folder, check_results_root


def test_a_place_for_a_file(tmp_path: Path) -> None:
    check_output_file(tmp_path / "figures.json")
    with pytest.raises(UserError, match=r"is a directory; name a file"):
        check_output_file(tmp_path)
    with pytest.raises(UserError, match=r"is in a directory that does not exist"):
        check_output_file(tmp_path / "absent" / "figures.json")
    assert not list(tmp_path.iterdir())


def test_a_place_for_a_folder(tmp_path: Path) -> None:
    check_output_folder(tmp_path)
    check_output_folder(tmp_path / "new")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file is not a directory"):
        check_output_folder(tmp_path / "file")
    with pytest.raises(UserError, match=r"is in a directory that does not exist"):
        check_output_folder(tmp_path / "absent" / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_mails_go_into_no_folder_whose_parent_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "--output-directory", str(tmp_path / "absent/mails")]) == 2
    assert "is in a directory that does not exist" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_root_for_results_may_be_new(tmp_path: Path) -> None:
    check_results_root(tmp_path)
    check_results_root(tmp_path / "new" / "results")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["file", "file/results", "loose", "loose/results"])
def test_a_root_that_can_hold_no_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "loose").symlink_to(tmp_path / "absent")
    with pytest.raises(UserError, match=r"results cannot be written to .*; make that folder"):
        check_results_root(tmp_path / name)
    with pytest.raises(UserError, match=r"results cannot be written to /proc/nowhere"):
        check_results_root(Path("/proc/nowhere"))
