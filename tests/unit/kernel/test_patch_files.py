# SPDX-License-Identifier: GPL-2.0-only
"""A user's patches as they come: folder, quilt series, mbox, one file; and what is none of them."""

from __future__ import annotations

import gzip
import subprocess
from typing import TYPE_CHECKING

import pytest
from miniature_kernel import FILES, PATCH, write_files
from own_tree import CHANGE_STRING

from harness.host.errors import UserError
from harness.kernel.series.patch_files import PatchFile, read_patches

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def mails(tmp_path: Path) -> Path:
    """A repository's two commits, the second with letters beyond ASCII, as an mbox."""
    where = tmp_path / "repository"
    write_files(where, FILES)
    (tmp_path / "hook.patch").write_text(PATCH)
    (tmp_path / "string.patch").write_text(CHANGE_STRING.replace("1; }", "1; } // Größe"))
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    for arguments in (
        ["init", "--quiet"],
        ["add", "--all"],
        ["commit", "--quiet", "--message=base"],
        ["apply", str(tmp_path / "hook.patch")],
        ["commit", "--quiet", "--all", "--message=kernel: Hook fork"],
        ["apply", str(tmp_path / "string.patch")],
        ["commit", "--quiet", "--all", "--message=lib: Grüße"],
    ):
        subprocess.run(["git", *identity, *arguments], cwd=where, check=True, timeout=60)
    made = subprocess.run(
        ["git", "format-patch", "--stdout", "--cover-letter", "HEAD~2"],
        cwd=where,
        check=True,
        timeout=60,
        capture_output=True,
        env={"PATH": "/usr/bin:/bin", "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org"}
        | {"GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org"},
    )
    path = tmp_path / "series.mbox"
    path.write_bytes(made.stdout)
    return path


def read(given: Path, tmp_path: Path) -> tuple[PatchFile, ...]:
    return read_patches(given, cache=tmp_path / "cache")


def test_an_mbox_without_its_cover_letter(mails: Path, tmp_path: Path) -> None:
    hook, greeting = read(mails, tmp_path)
    assert hook.title == "series.mbox, mail 2 (“kernel: Hook fork”)"
    assert greeting.subject == "lib: Grüße"
    assert "+int string(void) { return 1; } // Größe\n" in greeting.path.read_text()
    assert hook.changes("kernel/fork.c")
    assert not hook.changes("lib/string.c")


def test_a_mail_in_another_encoding(mails: Path, tmp_path: Path) -> None:
    """As mailers send it: git takes it apart, so the patch is what was meant."""
    body = mails.read_bytes().replace(b"Content-Transfer-Encoding: 8bit", b"X: y")
    quoted = body.replace("ö".encode(), b"=C3=B6").replace("ß".encode(), b"=C3=9F")
    quoted = quoted.replace("ü".encode(), b"=C3=BC").replace(b" = ", b" =3D ")
    head = b"Content-Transfer-Encoding: quoted-printable\nX: y"
    assert body.count(b"X: y") >= 1
    mails.write_bytes(quoted.replace(b"X: y", head))
    assert "// Größe\n" in read(mails, tmp_path)[-1].path.read_text()


def test_a_folder_goes_by_name_and_its_mails_are_read(mails: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    command = ["git", "mailsplit", "-d4", f"-o{folder}", str(mails)]
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    for mail in folder.iterdir():
        mail.rename(mail.with_name(f"{mail.name}.patch"))
    (folder / "0000.patch").write_text(PATCH)
    assert [one.name for one in read(folder, tmp_path)] == [
        "0000.patch",
        "0002.patch",
        "0003.patch",
    ]


def test_a_folder_with_two_versions(tmp_path: Path) -> None:
    write_files(tmp_path / "p", {"0001-a.patch": PATCH, "v2-0001-a.patch": PATCH})
    with pytest.raises(UserError, match=r"/p has v1 and v2 of a series; keep one version there"):
        read(tmp_path / "p", tmp_path)
    (tmp_path / "p/series").write_text("v2-0001-a.patch\n")
    assert [one.name for one in read(tmp_path / "p", tmp_path)] == ["v2-0001-a.patch"]


def test_a_quilt_series_gives_the_order(tmp_path: Path) -> None:
    write_files(
        tmp_path / "patches",
        {
            "series": "# first\nz.patch -p1\n\na.patch # why\n",
            "z.patch": PATCH,
            "a.patch": CHANGE_STRING,
            "not-listed.patch": PATCH,
        },
    )
    assert [one.name for one in read(tmp_path / "patches", tmp_path)] == ["z.patch", "a.patch"]
    (tmp_path / "patches/series").rename(tmp_path / "patches/mine")
    assert [one.name for one in read(tmp_path / "patches/mine", tmp_path)] == ["z.patch", "a.patch"]


def test_one_patch_and_one_mail(tmp_path: Path) -> None:
    (tmp_path / "hook.patch").write_text(PATCH)
    (patch,) = read(tmp_path / "hook.patch", tmp_path)
    assert (patch.title, patch.path.read_text()) == ("hook.patch", PATCH)
    single = tmp_path / "one.eml"
    single.write_bytes(b"From: Ada <ada@example.org>\nSubject: [PATCH v3] lib: X\n\nWhy.\n---\n")
    single.write_bytes(single.read_bytes() + CHANGE_STRING.encode())
    (patch,) = read(single, tmp_path)
    assert patch.title == "one.eml (“lib: X”)"


def test_what_is_read_again_is_the_same_file(mails: Path, tmp_path: Path) -> None:
    assert read(mails, tmp_path) == read(mails, tmp_path)


def mbox(*mails: tuple[str, str], path: Path) -> Path:
    """An mbox of mails, each with a subject and a text."""
    lines = [
        f"From a@example.org Mon Sep 17 00:00:00 2001\nFrom: A <a@example.org>\n"
        f"Subject: {subject}\nMessage-ID: <{number}@example.org>\n\nWhy.\n---\n{text}\n"
        for number, (subject, text) in enumerate(mails)
    ]
    path.write_text("".join(lines))
    return path


def test_a_thread_with_answers_and_a_cover_letter_that_have_a_diff(tmp_path: Path) -> None:
    thread = mbox(
        ("[PATCH v2 0/2] All", f"Interdiff against v1:\n{PATCH}"),
        ("[PATCH v2 2/2] lib: Say one", CHANGE_STRING),
        ("Re: [PATCH v2 2/2] lib: Say one", f"Rather so:\n{CHANGE_STRING}"),
        ("[PATCH v2 1/2] kernel: Hook fork", PATCH),
        ("RE: [PATCH v2 1/2] kernel: Hook fork", f"> {PATCH}"),
        path=tmp_path / "thread.mbox",
    )
    assert [one.title for one in read(thread, tmp_path)] == [
        "thread.mbox, mail 4 (“kernel: Hook fork”)",
        "thread.mbox, mail 2 (“lib: Say one”)",
    ]


def test_a_second_copy_of_a_mail(tmp_path: Path) -> None:
    thread = mbox(("[PATCH] lib: Say one", CHANGE_STRING), path=tmp_path / "t.mbox")
    thread.write_text(thread.read_text() * 2)
    assert [one.name for one in read(thread, tmp_path)] == ["t.mbox, mail 1"]


def test_two_series_in_one_mbox_keep_their_order(tmp_path: Path) -> None:
    both = mbox(
        ("[PATCH 1/1] kernel: Hook fork", PATCH),
        ("[PATCH v3 1/2] lib: Say one", CHANGE_STRING),
        path=tmp_path / "both.mbox",
    )
    assert [one.subject for one in read(both, tmp_path)] == ["kernel: Hook fork", "lib: Say one"]


@pytest.mark.parametrize("newer", ["[PATCH v2 1/2] lib: Say 1", "[PATCH v2] lib: Say one"])
def test_two_versions_of_a_patch(newer: str, tmp_path: Path) -> None:
    older = "[PATCH 1/2] lib: Say one"
    given = mbox((newer, CHANGE_STRING), (older, CHANGE_STRING), path=tmp_path / "t.mbox")
    with pytest.raises(UserError, match=r"has v1 and v2 of “lib: Say one”; keep the mails of one"):
        read(given, tmp_path)


BAD = {
    "a page": (b"<!DOCTYPE html><html>", "is a web page: save the mbox itself"),
    "compressed": (gzip.compress(b"From "), "is compressed: gunzip it"),
    "binary": (b"\x7fELF\0\0\xff", "is not text"),
    "prose": (b"Dear all,\nhere it comes.\n", "is neither a patch nor an mbox nor a list"),
    "a talk": (
        b"From a@example.org Mon Sep 17 00:00:00 2001\nFrom: A\nSubject: Re: x\n\n> diff\nNo.\n",
        "no mail of .* has a patch",
    ),
    "empty": (b"", "is neither a patch"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_has_no_patches(name: str, tmp_path: Path) -> None:
    content, match = BAD[name]
    (tmp_path / "given").write_bytes(content)
    with pytest.raises(UserError, match=match):
        read(tmp_path / "given", tmp_path)


def test_lists_that_cannot_be_followed(tmp_path: Path) -> None:
    write_files(tmp_path / "p", {"series": "a.patch\nb.patch\n", "a.patch": PATCH})
    with pytest.raises(UserError, match=r"lists b\.patch, which is not there"):
        read(tmp_path / "p", tmp_path)
    (tmp_path / "p/series").write_text("a.patch -p0\n")
    with pytest.raises(UserError, match=r"applies a\.patch with -p0.*quilt refresh -p1"):
        read(tmp_path / "p", tmp_path)
    (tmp_path / "p/series").write_text("# nothing\n")
    with pytest.raises(UserError, match="there is no patch in"):
        read(tmp_path / "p", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"there is no \*\.patch in"):
        read(tmp_path / "empty", tmp_path)
    with pytest.raises(UserError, match="there are no patches at"):
        read(tmp_path / "nowhere", tmp_path)
