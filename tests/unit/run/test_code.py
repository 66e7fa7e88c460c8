# SPDX-License-Identifier: GPL-2.0-only
"""The hash of the code that takes part in verdicts changes with that code, and only with it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from harness.host.paths import GUEST_IMAGES, PACKAGE
from harness.run import code
from harness.run.code import FOLDERS, code_digest

if TYPE_CHECKING:
    from pathlib import Path

OTHERS = {
    "cache",
    "campaign",
    "cli",
    "export",
    "findings",
    "handlers",
    "kernel",
    "kselftest",
    "pytest_plugin",
    "report",
    "shell",
    "studies",
    "surface",
}


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package, installed in another place."""
    skipped = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "harness", ignore=skipped)
    shutil.copytree(GUEST_IMAGES, tmp_path / "data/guest-images")
    monkeypatch.setattr(code, "PACKAGE", tmp_path / "harness")
    monkeypatch.setattr(code, "GUEST_IMAGES", tmp_path / "data/guest-images")
    return tmp_path


def test_each_folder_takes_part_or_does_not() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders == {*FOLDERS, *OTHERS}


def test_the_place_of_the_package_does_not_count(request: pytest.FixtureRequest) -> None:
    here = code_digest()
    request.getfixturevalue("copy")
    assert code_digest() == here


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("harness/judge/conclusion.py", True),
        ("harness/scenarios/surface.toml", True),
        ("data/guest-images/payloads/ask.c", True),
        ("harness/report/terminal.py", False),
        ("harness/judge/__pycache__/x.pyc", False),
    ],
    ids=["module", "table", "payload", "report", "bytecode"],
)
def test_code_that_takes_part_counts(copy: Path, name: str, counts: bool) -> None:
    before = code_digest()
    (copy / name).parent.mkdir(exist_ok=True)
    with (copy / name).open("a") as file:
        file.write("\n")
    assert (code_digest() != before) == counts
