# SPDX-License-Identifier: GPL-2.0-only
"""Patches in place of ours, on the real source: our own series again, and a library of others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from small_series import EMAIL, NAME, become

from harness.export.command import Wanted, export
from harness.export.series_mails import Base, prepared
from harness.host.errors import UserError
from harness.host.paths import KERNEL_PATCHES, cache_dir
from harness.kernel.build.config import configure, known_options, parse_config
from harness.kernel.choice.kernel_choice import KernelChoice
from harness.kernel.choice.parts import parts_of
from harness.kernel.proofs.checkpatch import complaints_of
from harness.kernel.series.series_file import load_series
from harness.kernel.source.build_tree import BuildTree
from harness.kernel.source.tarball import CHECKS, Source, checks_tree, find_source
from harness.kernel.source.tree import prepare

if TYPE_CHECKING:
    from harness.kernel.choice.parts import Parts

LINE = "6.12"
PUBLISHED = Path(__file__).with_name("published_library.mbox")
"""A management library by its published interface, and no more than that."""


def parts(patches: Path) -> Parts:
    """What these patches come to on the source of the line."""
    return parts_of(KernelChoice(LINE, patches=patches), cache=cache_dir())


@pytest.fixture(scope="module")
def mbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our series, exported, as the mbox that b4 would make of it."""
    where = tmp_path_factory.mktemp("export")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(where)
        become(NAME, EMAIL, where / "home", patch)
        mails = export(Wanted(LINE, where / "mails"), say=lambda _: None)
    mbox = where / "ours.mbox"
    mbox.write_bytes(b"".join(mail.read_bytes() for mail in mails))
    return mbox


def test_our_series_as_an_mbox_makes_the_tree_that_we_build(mbox: Path) -> None:
    source, ours = find_source(LINE, cache=cache_dir()), load_series(LINE, patches=KERNEL_PATCHES)
    base = Base.find(ours, source, cache=cache_dir())
    theirs = parts(mbox).series
    assert len(theirs.commits) == len(ours.commits), "its witness is not added again"
    made = prepared(theirs, base)
    assert len(made) > len(ours.commits)
    assert made == prepared(ours, base)


def test_our_series_in_the_folder_that_export_writes(mbox: Path) -> None:
    base = Base.find(
        load_series(LINE, patches=KERNEL_PATCHES),
        find_source(LINE, cache=cache_dir()),
        cache=cache_dir(),
    )
    folder = mbox.with_name("mails")
    assert prepared(parts(folder).series, base) == prepared(parts(mbox).series, base)


def test_a_mail_that_is_missing_is_noticed_by_name(mbox: Path, tmp_path: Path) -> None:
    for mail in mbox.with_name("mails").iterdir():
        if "Isolate-user-mode-drivers" not in mail.name:
            (tmp_path / mail.name).write_bytes(mail.read_bytes())
    ours = load_series(LINE, patches=KERNEL_PATCHES)
    base = Base.find(ours, find_source(LINE, cache=cache_dir()), cache=cache_dir())
    with pytest.raises(
        UserError, match=r"\d{4}-.*\.patch \(“.*”\) does not apply .*: hunk \d+ of .*expected to be"
    ):
        prepared(parts(tmp_path).series, base)


def test_the_witness_needs_no_more_than_the_published_library(tmp_path: Path) -> None:
    """Of what the harness asks for, all that is not of our library survives olddefconfig."""
    found = parts(PUBLISHED)
    tree = BuildTree(tmp_path / "tree")
    tree.root.mkdir()
    assert isinstance(found.source, Source)
    prepare(tree, source=found.source, series=found.series, progress=lambda _: None, members=CHECKS)
    configure(tree, known_options(tree, found.optional))
    config = parse_config((tree.objects / ".config").read_text(), where="the configuration")
    assert config["UMD_WITNESS"] == "y"
    assert config["UMD_WITNESS_LOADER"] == "m"
    assert config["UMD_SELFTEST"] == "m"
    assert "USERMODE_DRIVER_MGMT" not in config
    assert "SECURITY_UMD" not in config


def test_the_published_library_is_kernel_code(tmp_path: Path) -> None:
    tree = checks_tree(find_source(LINE, cache=cache_dir()), cache=cache_dir())
    patches = [str(patch.path) for patch in parts(PUBLISHED).patches]
    options = ["--no-signoff", "--ignore", "COMMIT_MESSAGE,FILE_PATH_CHANGES"]
    assert complaints_of(tree, options, patches, cwd=tmp_path) == []
