# SPDX-License-Identifier: GPL-2.0-only
"""The real series as mails: on the real source, by git, and before the kernel's own judges."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from small_series import EMAIL, NAME, become, files_of

from harness.export.command import Wanted, export
from harness.export.series_mails import Base
from harness.host.paths import KERNEL_PATCHES, cache_dir
from harness.kernel.proofs.checkpatch import PROGRAMS, complaints_of
from harness.kernel.series.commits import WITNESS, Part, Series
from harness.kernel.series.lines import DEFAULT_LINE, kernel_lines
from harness.kernel.series.series_file import load_series
from harness.kernel.source.tarball import checks_tree, find_source, partial_tree
from harness.kernel.source.tree import touched_files, write_overlay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEST_ONLY = (b"umd_isolation=", b"umd_without", b"umd_only", b"umd_witness", b"UMD_WITNESS")
ENTRY = "USER MODE DRIVERS"
WITNESS_ENTRY = "USER MODE DRIVER WITNESS"


@pytest.fixture(scope="module", params=kernel_lines(KERNEL_PATCHES))
def line(request: pytest.FixtureRequest) -> str:
    """The kernel line whose series is exported."""
    return str(request.param)


@pytest.fixture(scope="module", params=[True, False], ids=["with-witness", "without-witness"])
def witness(request: pytest.FixtureRequest) -> bool:
    """Whether the witness is exported."""
    return bool(request.param)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty folder with the author's home, to export from."""
    where = tmp_path_factory.mktemp("export")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(where)
        become(NAME, EMAIL, where / "home", patch)
        yield where


@pytest.fixture(scope="module")
def series(line: str, witness: bool) -> Series:
    """The series, with the witness or without."""
    series = load_series(line, patches=KERNEL_PATCHES)
    return series if witness else series.without_witness()


@pytest.fixture(scope="module")
def said() -> list[str]:
    """What the export prints."""
    return []


@pytest.fixture(scope="module")
def mails(place: Path, line: str, witness: bool, said: list[str]) -> list[Path]:
    """The cover letter and the patches, signed off."""
    said.clear()
    output = place / f"mails-{line}-{witness}"
    wanted = Wanted(line, output, witness=witness, signoff=True, checksums=True)
    return export(wanted, say=said.append)


@pytest.fixture(scope="module")
def became(place: Path, line: str, mails: list[Path], series: Series, witness: bool) -> Path:
    """A clean tree of the files that matter, after `git am`."""
    source = find_source(line, cache=cache_dir())
    clean = Base.find(series, source, cache=cache_dir()).files
    tree = place / f"tree-{line}-{witness}"
    for command in (
        ["cp", "-rH", str(clean), str(tree)],
        ["git", "-C", str(tree), "init", "--quiet"],
        ["git", "-C", str(tree), "add", "--all", "--force"],
        ["git", "-C", str(tree), "commit", "--quiet", "--message=base"],
        ["git", "-C", str(tree), "am", "--quiet", *map(str, mails[1:])],
    ):
        subprocess.run(command, check=True, timeout=120)
    return tree


def test_there_is_a_mail_for_each_commit(mails: list[Path], series: Series) -> None:
    assert len(mails) == 1 + len(series.commits)
    assert mails[0].name == "0000-cover-letter.patch"


def test_git_am_makes_the_files_that_are_built(
    mails: list[Path],
    became: Path,
    series: Series,
    witness: bool,
    said: list[str],
    tmp_path: Path,
) -> None:
    assert mails
    write_overlay(series, tmp_path)
    made = files_of(became)
    touched = set(touched_files(series))
    for commit in series.commits:
        for name in commit.overlay:
            whole = (tmp_path / name).read_bytes()
            # Less what is for tests only, a file is a part of what it was.
            assert made[name] == whole or not witness
            assert set(made[name].splitlines()) <= set(whole.splitlines())
            if b"CONFIG_UMD_WITNESS" not in whole:
                assert made[name] == whole
    pairs = [line.split("  ") for line in said if line.count("  ") == 1]
    hashes = {name: digest for digest, name in pairs}
    assert hashes.keys() == touched
    sums = subprocess.run(
        ["sha256sum", *sorted(touched)], cwd=became, capture_output=True, text=True, check=True
    )
    assert sums.stdout.splitlines() == [f"{hashes[name]}  {name}" for name in sorted(touched)]


@pytest.fixture(scope="module")
def clean() -> set[tuple[str, str]]:
    """The mails that checkpatch was shown: the line, and the text from the subject on."""
    return set()


def test_checkpatch_has_nothing_to_say(
    mails: list[Path], place: Path, line: str, clean: set[tuple[str, str]]
) -> None:
    """Without the witness most mails are those with it, but for the number in the subject."""
    texts = {
        (line, mail.read_text().partition("\nSubject: [PATCH")[2].partition("] ")[2]): mail
        for mail in mails[1:]
    }
    assert len(texts) == len(mails) - 1
    tree = checks_tree(find_source(line, cache=cache_dir()), cache=cache_dir())
    new = [str(mail) for text, mail in texts.items() if text not in clean]
    assert complaints_of(tree, [], new, cwd=place) == []
    clean |= texts.keys()


def test_checkpatch_was_asked(mails: list[Path], place: Path, line: str) -> None:
    spoilt = place / "spoilt.patch"
    spoilt.write_text(mails[1].read_text().replace("Signed-off-by:", "Signed-of-by:"))
    tree = checks_tree(find_source(line, cache=cache_dir()), cache=cache_dir())
    (complaint, *_) = complaints_of(tree, [], [str(spoilt)], cwd=place)
    assert "BAD_SIGN_OFF" in complaint or "MISSING_SIGN_OFF" in complaint


def test_every_new_file_has_its_entry(
    became: Path, series: Series, line: str, tmp_path: Path
) -> None:
    """By the kernel's own get_maintainer.pl, which wants to be at the top of a tree.

    It reads our entries alone: all 2,000 would take it ten times as long for each file.
    """
    every = (became / "MAINTAINERS").read_text().split("\n\n")
    entries = [text for text in every if text.partition("\n")[0] in (ENTRY, WITNESS_ENTRY)]
    (tmp_path / "MAINTAINERS").write_text("\n\n".join(entries) + "\n")
    source = find_source(line, cache=cache_dir())
    script = partial_tree(source, ("scripts/get_maintainer.pl",), cache=cache_dir())
    options = ("--no-tree", "--no-git", "--no-git-fallback", "--sections")
    entries_only = f"--mpath={tmp_path / 'MAINTAINERS'}"
    command = ["perl", str(script / "scripts/get_maintainer.pl"), *options, entries_only]
    new = [name for commit in series.commits for name in commit.overlay]
    for name in new:
        done = subprocess.run(
            [*command, "--file", name], cwd=became, capture_output=True, text=True, check=True
        )
        entry = WITNESS_ENTRY if name.startswith((WITNESS, PROGRAMS)) else ENTRY
        assert f"\n{entry}\n" in f"\n{done.stdout}", (name, done.stdout)


def test_no_test_only_code_is_mailed_without_the_witness(
    mails: list[Path], became: Path, witness: bool
) -> None:
    carried = {word for word in TEST_ONLY for mail in mails[1:] if word in mail.read_bytes()} | {
        word for word in TEST_ONLY for text in files_of(became).values() if word in text
    }
    if witness:
        assert {b"umd_isolation=", b"UMD_WITNESS"} <= carried, "they were looked for"
    else:
        assert carried == set()


PARTS = (Part.CORE, Part.HARDENING, Part.FILTER)


@pytest.fixture(scope="module")
def by_part(place: Path, line: str) -> dict[Part, list[Path]]:
    """The mails of each part, signed off."""
    return {
        part: export(
            Wanted(line, place / f"mails-{line}-{part}", part=part, signoff=True),
            say=lambda _: None,
        )
        for part in PARTS
    }


def text_of(mail: Path) -> str:
    """A mail without its number, on whose length the folds of the subject depend."""
    head, _, body = mail.read_text().partition("\n\n")
    return re.sub(r"\[PATCH [^\]]*\]", "", head.replace("\n ", " ")) + body


@pytest.mark.parametrize(("line", "witness"), [(DEFAULT_LINE, False)], indirect=True)
def test_the_parts_are_the_series(
    mails: list[Path], series: Series, by_part: dict[Part, list[Path]]
) -> None:
    whole = [text_of(mail) for mail in mails[1:]]
    parts = [text_of(mail) for part in PARTS for mail in by_part[part][1:]]
    rest = [commit for commit in series.commits if commit.part not in PARTS]
    assert [commit.subject.partition(":")[0] for commit in rest] == ["selftests"]
    assert whole[: -len(rest)] == parts
    for part, found in by_part.items():
        assert re.search(rf"\[PATCH 0?1/{len(found) - 1}\] ", found[1].read_text())
        assert ("goes on top of the series core" in found[0].read_text()) is (part is not PARTS[0])


def test_the_same_bytes_again(mails: list[Path], place: Path, line: str, witness: bool) -> None:
    wanted = Wanted(line, place / f"again-{line}-{witness}", witness=witness, signoff=True)
    again = export(wanted, say=lambda _: None)
    assert [mail.read_bytes() for mail in again] == [mail.read_bytes() for mail in mails]
