# SPDX-License-Identifier: GPL-2.0-only
"""A part of a series as mails: its own numbers and cover letter, on top of the parts before it."""

from __future__ import annotations

from email import message_from_bytes
from typing import TYPE_CHECKING

import pytest
from miniature_kernel import FILES, LINE, Miniature, write_files
from small_series import EMAIL, NAME, SERIES, become, files_of, make_small_series

from harness.cli.main import main
from harness.export.command import Wanted, export
from harness.export.identity import Identity
from harness.export.repository import Repository
from harness.host.errors import UserError
from harness.kernel.series.commits import Part

if TYPE_CHECKING:
    from pathlib import Path

WITH_PARTS = (
    SERIES.replace('Add the library"', 'Add the library"\npart = "core"')
    .replace('Confine"', 'Confine"\npart = "hardening"\npatch = "0002-more.patch"')
    .replace('Add the witness"', 'Add the witness"\npart = "tests"')
)
ON_THE_LIBRARY = """\
--- a/kernel/library.c
+++ b/kernel/library.c
@@ -1 +1 @@
-int library(void) { return 0; }
+int library(void) { return 1; }
"""


@pytest.fixture
def series(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Miniature:
    """The small series with parts. Its second commit changes what the first adds."""
    made = make_small_series(tmp_path / "series")
    letter = "\n\n$base\n\n$measured\n\n$holes\n\n$cost\n"
    parts = {
        f"{LINE}/series.toml": WITH_PARTS,
        f"{LINE}/0002-more.patch": ON_THE_LIBRARY,
        "cover-core.txt": f"The core{letter}",
        "cover-hardening.txt": f"The hardening{letter}",
    }
    write_files(made.patches, parts)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    become(NAME, EMAIL, tmp_path / "home", monkeypatch)
    return made


def exported(
    series: Miniature, output: Path, part: Part | None, *, witness: bool = True
) -> tuple[list[Path], list[str]]:
    """Export a part of the small series; the mails, and what was said."""
    said: list[str] = []
    wanted = Wanted(LINE, output, part=part, witness=witness, checksums=True)
    mails = export(wanted, say=said.append, patches=series.patches, sources=series.sources)
    return mails, said


def subjects(mails: list[Path]) -> list[str]:
    return [str(message_from_bytes(mail.read_bytes())["Subject"]) for mail in mails]


def test_a_part_has_numbers_and_a_cover_letter_of_its_own(
    series: Miniature, tmp_path: Path
) -> None:
    core, _ = exported(series, tmp_path / "core", Part.CORE)
    more, _ = exported(series, tmp_path / "more", Part.HARDENING)
    assert subjects(core) == ["[PATCH 0/1] The core", "[PATCH 1/1] kernel: Add the library"]
    assert subjects(more) == ["[PATCH 0/1] The hardening", "[PATCH 1/1] kernel: Confine"]
    assert "It applies to Linux 6.12.7 as" in core[0].read_text()
    assert "It applies to the series core on Linux 6.12.7 as" in more[0].read_text()


def test_the_parts_one_after_the_other_are_the_series(series: Miniature, tmp_path: Path) -> None:
    whole, _ = exported(series, tmp_path / "whole", None, witness=False)
    core, _ = exported(series, tmp_path / "core", Part.CORE)
    more, said = exported(series, tmp_path / "more", Part.HARDENING)

    def tree(name: str, mails: list[Path]) -> dict[str, bytes]:
        write_files(tmp_path / f"source-{name}", FILES)
        repository = Repository.create(
            tmp_path / name, tmp_path / f"source-{name}", author=Identity(NAME, EMAIL), time=0
        )
        repository.receive(mails)
        return files_of(repository.path)

    assert tree("by-parts", [*core[1:], *more[1:]]) == tree("at-once", whole[1:])
    with pytest.raises(UserError, match="git am"):
        tree("without-core", more[1:])
    names = [line.split("  ")[1] for line in said if line.count("  ") == 1]
    assert names == ["kernel/confine.c", "kernel/library.c"], "only what this part changes"
    assert "1 patches and a cover letter" in said[-1]
    assert "on the series core on Linux 6.12.7, git am makes" in said[-1]


def test_a_part_has_nothing_of_the_witness(series: Miniature, tmp_path: Path) -> None:
    mails, said = exported(series, tmp_path / "more", Part.HARDENING)
    for mail in mails:
        assert "umd_isolation" not in mail.read_text()
        assert "witness" not in mail.read_text().lower()
    assert "less what depends on CONFIG_UMD_WITNESS" in said[-1]


def test_a_part_that_no_commit_has_is_told(series: Miniature, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"the series of {LINE} has no part filter; give commits"):
        exported(series, tmp_path / "filter", Part.FILTER)
    assert not (tmp_path / "filter").exists()


def test_the_command_line_takes_one_part(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--hardening", "--core"]) == 2
    assert "--core and --hardening are two series; export one" in capsys.readouterr().err


@pytest.mark.parametrize("part", [Part.CORE, Part.HARDENING, Part.FILTER])
def test_each_part_has_its_option_and_its_folder(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    part: Part,
) -> None:
    become(NAME, EMAIL, tmp_path / "home", monkeypatch)
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path, {f"export/6.12/{part}/0001-old.patch": ""})
    assert main(["export", f"--{part}"]) == 2
    assert f"there are patches in export/6.12/{part} already" in capsys.readouterr().err
