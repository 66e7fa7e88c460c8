# SPDX-License-Identifier: GPL-2.0-only
"""A user's tree as it is read: which files count, what changes its hash, and what never does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from miniature_kernel import write_files
from own_tree import Own, make_own

from harness.host.errors import UserError
from harness.kernel.source.checkout import Checkout, read_checkout

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def own(tmp_path: Path) -> Own:
    return make_own(tmp_path)


def read(own: Own) -> Checkout:
    return read_checkout(own.tree, line="linux", cache=own.mini.cache)


JUNK = {
    ".gitignore": ".*\n*.o\n/vmlinux\n/include/generated/\n",
    "kernel/fork.o": "built",
    "vmlinux": "built",
    ".config": "CONFIG_X=y\n",
    "include/generated/autoconf.h": "built",
}


@pytest.mark.parametrize("git", [True, False], ids=["git", "unpacked"])
def test_what_was_built_in_the_tree_does_not_count(own: Own, git: bool) -> None:
    if git:
        own.git("init", "--quiet")
        own.git("add", "--all", "--force")
        own.git("commit", "--quiet", "--message=base")
    before = read(own)
    write_files(own.tree, JUNK)
    after = read(own)
    assert after.files == before.files
    assert {"Makefile", "kernel/fork.c", "scripts/kconfig/merge_config.sh"} <= set(after.files)


def test_a_gitignore_that_ignores_all_at_the_top_is_not_believed(own: Own) -> None:
    """As Debian's source package has it."""
    before = read(own)
    write_files(own.tree, {".gitignore": "/*\n!/debian/\n*.o\n", "lib/x.o": "", "debian/rules": ""})
    assert read(own) == before


def test_dirty_new_and_removed_files_count(own: Own) -> None:
    own.commit()
    clean = read(own)
    assert not clean.describe.endswith("-dirty")
    (own.tree / "lib/string.c").write_text("int string(void) { return 7; }\n")
    dirty = read(own)
    assert dirty.digest != clean.digest
    assert dirty.describe == f"{clean.describe}-dirty"
    write_files(own.tree, {"lib/new.c": ""})
    assert read(own).digest not in (clean.digest, dirty.digest)
    (own.tree / "lib/new.c").unlink()
    own.git("checkout", "--quiet", "lib/string.c")
    (own.tree / "kernel/fork.c").unlink()
    assert "kernel/fork.c" not in read(own).files


def test_the_same_content_elsewhere_has_the_same_hash(own: Own, tmp_path: Path) -> None:
    other = make_own(tmp_path / "other")
    assert read(other).digest == read(own).digest
    other.commit()
    assert read(other).digest == read(own).digest


def test_modes_and_links_count(own: Own) -> None:
    before = read(own)
    (own.tree / "lib/string.c").chmod(0o755)
    after = read(own)
    assert after.files["lib/string.c"][0] == "program"
    (own.tree / "lib/link.c").symlink_to("string.c")
    linked = read(own)
    assert linked.files["lib/link.c"][0] == "link"
    (own.tree / "lib/link.c").unlink()
    (own.tree / "lib/link.c").symlink_to("nowhere.c")
    digests = {before.digest, after.digest, linked.digest, read(own).digest}
    assert len(digests) == 4


def test_a_change_in_the_moment_of_reading_is_seen(own: Own) -> None:
    """The times say nothing where two changes share one: such a file is read again."""
    path = own.tree / "lib/string.c"
    path.write_text("int string(void) { return 1; }\n")
    first, stat = read(own), path.stat()
    path.write_text("int string(void) { return 2; }\n")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert read(own).digest != first.digest


def test_nothing_is_read_twice(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.kernel.source.checkout._RACY", -60.0)
    first = read(own)
    unreadable = "a file was read again"

    def refuse(path: Path) -> bytes:
        raise AssertionError(f"{unreadable}: {path}")

    monkeypatch.setattr("harness.kernel.source.checkout.content", refuse)
    assert read(own) == first
    (own.tree / "lib/string.c").write_text("int string(void) { return 11; }\n")
    with pytest.raises(AssertionError, match=r"read again: .*lib/string\.c"):
        read(own)


def test_git_writes_nothing_to_the_tree(own: Own) -> None:
    own.commit()
    os.utime(own.tree / "lib/string.c")  # for which `git status` would refresh its index
    index = (own.tree / ".git/index").read_bytes()
    assert not read(own).describe.endswith("-dirty")
    assert (own.tree / ".git/index").read_bytes() == index


def test_a_folder_in_somebody_elses_repository_is_not_theirs(own: Own) -> None:
    """A tree unpacked below a home folder that is kept in git, which ignores it."""
    before = read(own)
    home = Own(own.tree.parent, own.mini)
    (home.tree / ".gitignore").write_text("*\n")
    home.git("init", "--quiet")
    assert read(own) == before


def test_a_broken_repository_is_an_error_of_one_line(own: Own) -> None:
    write_files(own.tree, {".git/HEAD": "nonsense\n"})
    with pytest.raises(UserError, match=r"git cannot list .*linux: .*; run `git status` there"):
        read(own)


def test_a_file_that_changes_while_it_is_copied(own: Own) -> None:
    from harness.kernel.source.build_tree import BuildTree
    from harness.kernel.source.tree_copy import bring

    checkout = read(own)
    (own.tree / "lib/string.c").write_text("int string(void) { return 5; }\n")
    tree = BuildTree(own.mini.cache / "build/x")
    tree.root.mkdir(parents=True)
    with pytest.raises(UserError, match=r"lib/string\.c changed while it was copied"):
        bring(tree, checkout, progress=lambda _: None)
    bring(tree, read(own), progress=lambda _: None)
    assert "return 5" in (tree.source / "lib/string.c").read_text()
