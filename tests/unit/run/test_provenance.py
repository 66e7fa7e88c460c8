# SPDX-License-Identifier: GPL-2.0-only
"""Which commit a run names: the harness's own, or none."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from harness.run import provenance
from harness.run.provenance import commit

if TYPE_CHECKING:
    from pathlib import Path


def git(where: Path, *arguments: str) -> str:
    author = ("-c", "user.name=A", "-c", "user.email=a@b.c")
    done = subprocess.run(
        ["git", *author, *arguments],
        cwd=where,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return made(tmp_path / "repository")


def made(where: Path) -> Path:
    where.mkdir()
    git(where, "init", "--quiet")
    (where / "file").write_text(f"{where}\n")
    git(where, "add", "file")
    git(where, "commit", "--quiet", "-m", "first")
    return where


def test_a_checkout_names_its_commit_and_whether_it_was_changed(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "CHECKOUT", repository)
    short = git(repository, "rev-parse", "--short", "HEAD")
    assert commit() == short
    (repository / "file").write_text("two\n")
    assert commit() == f"{short}-dirty"


def test_a_worktree_is_a_checkout(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = repository.parent / "tree"
    git(repository, "worktree", "add", "--quiet", str(tree))
    monkeypatch.setattr(provenance, "CHECKOUT", tree)
    assert commit() == git(repository, "rev-parse", "--short", "HEAD")


def test_what_lies_in_another_repository_names_none(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = repository / ".venv/harness/data"
    installed.mkdir(parents=True)
    monkeypatch.chdir(repository)
    monkeypatch.setattr(provenance, "CHECKOUT", installed)
    assert commit() == "unknown"


def test_a_hooks_environment_leads_to_no_other_repository(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = git(repository, "rev-parse", "--short", "HEAD")
    other = made(repository.parent / "other")
    monkeypatch.setattr(provenance, "CHECKOUT", repository)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    assert commit() == expected
