# SPDX-License-Identifier: GPL-2.0-only
"""The series as mails: what git makes of them, whose they are, and what they do not carry."""

from __future__ import annotations

import subprocess
from difflib import unified_diff
from email import message_from_bytes
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from miniature_kernel import FILES, LINE, PATCH, Miniature, write_files
from small_series import (
    CONFINE,
    CONFINE_FOR_GOOD,
    EMAIL,
    NAME,
    SERIES,
    become,
    files_of,
    make_small_series,
)

from harness.cli.main import main
from harness.export.command import Wanted, export
from harness.export.identity import Identity, find_identity
from harness.export.series_mails import check_same
from harness.export.unifdef import Unifdef
from harness.host.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

THEY = f"{NAME} <{EMAIL}>"
WITNESS = "kernel/umd_witness/core.c"


@pytest.fixture
def series(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Miniature:
    made = make_small_series(tmp_path / "series")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    become(NAME, EMAIL, tmp_path / "home", monkeypatch)
    return made


def exported(
    series: Miniature,
    output: Path,
    *,
    witness: bool = True,
    signoff: bool = False,
    checksums: bool = False,
) -> tuple[list[Path], list[str]]:
    """Export the small series; the mails, and what was said."""
    said: list[str] = []
    wanted = Wanted(LINE, output, witness=witness, signoff=signoff, checksums=checksums)
    mails = export(wanted, say=said.append, patches=series.patches, sources=series.sources)
    return mails, said


def body(mail: Path) -> str:
    """A patch's commit message below its subject, up to the diffstat."""
    text = message_from_bytes(mail.read_bytes()).get_payload(decode=True)
    assert isinstance(text, bytes)
    return text.decode().partition("---\n")[0]


def received(mails: list[Path], tree: Path) -> dict[str, bytes]:
    """The files of a clean source after `git am`."""
    write_files(tree, FILES)
    for command in (
        ["git", "init", "--quiet"],
        ["git", "add", "--all"],
        ["git", "commit", "--quiet", "--message=base"],
        ["git", "am", "--quiet", *map(str, mails[1:])],
    ):
        subprocess.run(command, cwd=tree, check=True, timeout=60)
    return files_of(tree)


def test_git_am_takes_them(series: Miniature, tmp_path: Path) -> None:
    mails, _ = exported(series, tmp_path / "out")
    assert [mail.name for mail in mails] == [
        "0000-cover-letter.patch",
        "0001-kernel-Add-the-library.patch",
        "0002-kernel-Confine.patch",
        "0003-kernel-Add-the-witness.patch",
    ]
    overlay = files_of(series.patches / "overlay")
    became = received(mails, tmp_path / "tree")
    assert {name: became[name] for name in overlay} == overlay
    assert b"int fork_hook(void)" in became["kernel/fork.c"]
    assert became.keys() == FILES.keys() | overlay.keys()


def test_each_mail_is_the_author_s_and_says_what_the_commit_says(
    series: Miniature, tmp_path: Path
) -> None:
    mails, _ = exported(series, tmp_path / "out")
    heads = [message_from_bytes(mail.read_bytes()) for mail in mails]
    assert {str(head["From"]) for head in heads} == {THEY}
    assert [str(head["Subject"]) for head in heads] == [
        "[PATCH 0/3] The small series",
        "[PATCH 1/3] kernel: Add the library",
        "[PATCH 2/3] kernel: Confine",
        "[PATCH 3/3] kernel: Add the witness",
    ]
    assert body(mails[1]) == "Because it is wanted.\n"
    assert body(mails[2]) == "Strictly.\n\nBut for the parameter umd_isolation=.\n"
    assert body(mails[3]) == ""


def test_the_same_series_gives_the_same_bytes(
    series: Miniature, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = exported(series, tmp_path / "first")
    with (tmp_path / "home/.gitconfig").open("a") as config:
        config.write(
            "[format]\n\tsignature = mine\n\tsubjectPrefix = OTHER\n[diff]\n\tcontext = 9\n"
        )
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    again, _ = exported(series, tmp_path / "again")
    assert [mail.read_bytes() for mail in again] == [mail.read_bytes() for mail in first]


def test_without_the_witness_nothing_speaks_of_it(series: Miniature, tmp_path: Path) -> None:
    mails, said = exported(series, tmp_path / "out", witness=False)
    assert len(mails) == 3
    for mail in mails:
        assert "witness" not in mail.read_text().lower()
        assert "umd_isolation" not in mail.read_text()
    assert body(mails[2]) == "Strictly.\n"
    became = received(mails, tmp_path / "tree")
    assert became["kernel/confine.c"].decode() == CONFINE_FOR_GOOD
    assert WITNESS not in became
    assert "less what depends on CONFIG_UMD_WITNESS" in said[-1]


def test_a_patch_may_change_what_its_commit_adds_with_and_without_the_witness(
    series: Miniature, tmp_path: Path
) -> None:
    old = CONFINE.splitlines(keepends=True)
    new = CONFINE.replace("confine_some;", "!!confine_some;").splitlines(keepends=True)
    names = ("a/kernel/confine.c", "b/kernel/confine.c")
    (series.patches / LINE / "0002-own.patch").write_text("".join(unified_diff(old, new, *names)))
    overlay = 'overlay = ["kernel/confine.c"]\n'
    series_toml = SERIES.replace(overlay, f'{overlay}patch = "0002-own.patch"\n')
    (series.patches / LINE / "series.toml").write_text(series_toml)
    for witness in (True, False):
        mails, _ = exported(series, tmp_path / f"out{witness}", witness=witness)
        became = received(mails, tmp_path / f"tree{witness}")["kernel/confine.c"].decode()
        assert became.count("return !!confine_some;") == 1
        assert ("CONFIG_UMD_WITNESS" in became) is witness


def test_the_end_is_one_line(series: Miniature, tmp_path: Path) -> None:
    _, said = exported(series, tmp_path / "out")
    assert said == [
        "there is no run in results: the cover letter says “not measured”",
        f"3 patches and a cover letter by {THEY} in {tmp_path / 'out'}: on Linux 6.12.7, git am "
        "makes 4 files of them, as the harness builds them; --checksums prints the SHA-256 of each",
    ]


def test_the_hashes_are_said_if_asked_for(series: Miniature, tmp_path: Path) -> None:
    mails, said = exported(series, tmp_path / "out", checksums=True)
    became = received(mails, tmp_path / "tree")
    names = ["kernel/confine.c", "kernel/fork.c", "kernel/library.c", WITNESS]
    assert said[1:-1] == [f"{sha256(became[name]).hexdigest()}  {name}" for name in names]
    assert said[-1].endswith("as the harness builds them")


def test_a_difference_is_named() -> None:
    check_same({"a": "1"}, {"a": "1"})
    with pytest.raises(UserError, match=r"tree that the harness builds: b, c, d;"):
        check_same({"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "2", "d": "1"})


def test_signed_off_only_if_asked_for(series: Miniature, tmp_path: Path) -> None:
    plain, _ = exported(series, tmp_path / "plain")
    assert not any("Signed-off-by" in mail.read_text() for mail in plain)
    signed, _ = exported(series, tmp_path / "signed", signoff=True)
    bodies = [body(mail) for mail in signed[1:]]
    assert bodies == [
        f"Because it is wanted.\n\nSigned-off-by: {THEY}\n",
        f"Strictly.\n\nBut for the parameter umd_isolation=.\n\nSigned-off-by: {THEY}\n",
        f"Signed-off-by: {THEY}\n",
    ]


@pytest.mark.parametrize(("person", "email"), [("", ""), (NAME, ""), ("", EMAIL)])
def test_no_author_is_made_up(
    series: Miniature,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    person: str,
    email: str,
) -> None:
    become("", "", tmp_path / "home", monkeypatch)
    lines = [f"\t{key} = {value}\n" for key, value in (("name", person), ("email", email)) if value]
    (tmp_path / "home/.gitconfig").write_text("".join(["[user]\n", *lines]))
    with pytest.raises(UserError, match=r"does not know who you are; git config --global user"):
        exported(series, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_checkout_s_own_identity_counts(series: Miniature, tmp_path: Path) -> None:  # noqa: ARG001
    where = tmp_path / "checkout"
    subprocess.run(["git", "init", "--quiet", where], check=True, timeout=60)
    (where / ".git/config").open("a").write("[user]\n\tname = Bob Ü\n")
    assert find_identity(where) == Identity("Bob Ü", EMAIL)


def test_patches_of_a_former_export_are_not_mixed_in(series: Miniature, tmp_path: Path) -> None:
    exported(series, tmp_path / "out")
    with pytest.raises(UserError, match=r"there are patches in .*out already; remove them"):
        exported(series, tmp_path / "out", witness=False)


def test_a_place_that_cannot_be_written_is_told(series: Miniature, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot be written to .*file"):
        exported(series, tmp_path / "file")


def test_the_witness_must_come_last(series: Miniature, tmp_path: Path) -> None:
    head, *commits = SERIES.split("[[commit]]")
    turned = "[[commit]]".join([head, *reversed(commits)])
    (series.patches / LINE / "series.toml").write_text(turned)
    with pytest.raises(UserError, match="“kernel: Add the library”, is not the witness"):
        exported(series, tmp_path / "out", witness=False)


def test_a_patch_that_does_not_apply_is_named(series: Miniature, tmp_path: Path) -> None:
    patch = series.patches / LINE / "0001-hook.patch"
    patch.write_text(PATCH.replace("fork_step_4", "fork_step_x"))
    with pytest.raises(UserError, match=r"0001-hook.patch does not apply to the source of 6\.12"):
        exported(series, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unifdef_takes_out_what_it_must_and_no_more(series: Miniature, tmp_path: Path) -> None:
    exported(series, tmp_path / "out", witness=False)
    (tree,) = (path for path in (tmp_path / "cache/umd-harness/checks").iterdir() if is_tool(path))
    unifdef = Unifdef.build(tree, tmp_path)
    files = {"c.c": CONFINE, "other.c": "#ifdef CONFIG_X\nint x;\n#endif\n", "Kconfig": CONFINE}
    write_files(tmp_path / "code", files)
    stripped = {name: unifdef.strip(tmp_path / "code" / name) for name in files}
    assert stripped == {"c.c": True, "other.c": False, "Kconfig": False}
    after = {name: text.decode() for name, text in files_of(tmp_path / "code").items()}
    assert after == files | {"c.c": CONFINE_FOR_GOOD}
    (tmp_path / "code/c.c").write_text("#ifdef CONFIG_UMD_WITNESS\nint x;\n")
    with pytest.raises(UserError, match=r"unifdef failed on c\.c"):
        unifdef.strip(tmp_path / "code/c.c")
    (tree / "scripts/unifdef.c").write_text("nonsense")
    with pytest.raises(UserError, match=r"scripts/unifdef\.c does not compile"):
        Unifdef.build(tree, tmp_path)


def is_tool(tree: Path) -> bool:
    return (tree / "scripts/unifdef.c").is_file()


def test_the_command_line_leads_here(
    series: Miniature,  # noqa: ARG001
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/0001-old.patch").write_text("")
    assert main(["export", "--output-directory", str(tmp_path / "out"), "--without-witness"]) == 2
    assert capsys.readouterr().err.startswith("umd-harness: there are patches in ")
    with pytest.raises(SystemExit, match="2"):
        main(["export", "--line", "9.9"])
    assert "there is no kernel line 9.9" in capsys.readouterr().err
