# SPDX-License-Identifier: GPL-2.0-only
"""A user's patches: a folder, a quilt series, mails in an mbox (git format-patch, b4), or one file.

git splits the mails, as `git am` does, so that the same patches are applied.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from harness.cache.places import PATCHES
from harness.host.commands import clean_environment, output_of
from harness.host.errors import UserError
from harness.host.files import write_atomically
from harness.kernel.series.mail_order import Mail, in_order, may_be_patches, read_mail

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

QUILT = "series"
"""The file in which quilt lists the patches of a folder, in order."""

_MBOX = re.compile(rb"\AFrom \S+ .*\d{4}$", re.MULTILINE)
_MAIL = re.compile(rb"\A(?:From|Subject|Date|Message-I[dD]|Return-Path|Received|Delivered-To):")
_DIFF = re.compile(r"^(?:diff --git |--- (?:a/|/dev/null))", re.MULTILINE)
_SUBJECT = re.compile(r"^Subject: (.*)$", re.MULTILINE)
_WRITTEN = re.compile(r"(?:v(\d+)-)?\d{4}-")
_NOT_TEXT = {b"\x1f\x8b": "is compressed: gunzip it", b"<": "is a web page: save the mbox itself"}


@dataclass(frozen=True)
class PatchFile:
    """One patch: its name, its subject if it has one, and the file that holds its text."""

    name: str
    subject: str
    path: Path
    sent: str = ""
    """The day of the mail, such as 2024-08-26; empty if there is none."""

    @property
    def sha256(self) -> str:
        """The hash of its text."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    @property
    def title(self) -> str:
        """How an error and a report name it."""
        return f"{self.name} (“{self.subject}”)" if self.subject else self.name

    def changes(self, name: str) -> bool:
        """Whether it changes or adds that file of the tree."""
        heading = re.compile(rf"^\+\+\+ [^/\s]+/{re.escape(name)}(?:\s|$)", re.MULTILINE)
        return heading.search(self.path.read_text(errors="replace")) is not None

    def as_json(self) -> dict[str, Any]:
        """Return the facts about the patch for a run's header."""
        facts = {"name": self.name, "subject": self.subject, "sha256": self.sha256}
        return {**facts, "sent": self.sent} if self.sent else facts


def read_patches(given: Path, *, cache: Path) -> tuple[PatchFile, ...]:
    """Return the patches that `given` has, in order, as files in the cache.

    Cover letters, answers and mails without a patch are left out. Raises UserError for anything
    that is not a patch, an mbox or a list of patches.
    """
    found: list[PatchFile] = []
    for path in _files(given.absolute()):
        found += _patches_of(path, cache=cache)
    if not found:
        raise UserError(f"there is no patch in {given}", hint="name a folder, series or mbox")
    return tuple(found)


def _files(given: Path) -> Sequence[Path]:
    if given.is_dir():
        if (given / QUILT).is_file():
            return _listed(given / QUILT)
        found = sorted(given.glob("*.patch")) or sorted(given.glob("*.diff"))
        if not found:
            raise UserError(
                f"there is no *.patch in {given}, and no quilt series file",
                hint="name another folder, or an mbox",
            )
        _check_one_version(given, found)
        return found
    if not given.is_file():
        raise UserError(f"there are no patches at {given}", hint="name a folder, series or mbox")
    return _listed(given) if _is_list(given) else [given]


def _check_one_version(folder: Path, files: Sequence[Path]) -> None:
    """Raise UserError if git format-patch has written several versions to a folder."""
    names = [match for file in files if (match := _WRITTEN.match(file.name))]
    versions = sorted({int(match[1] or 1) for match in names})
    if len(versions) > 1:
        raise UserError(
            f"{folder} has v{versions[0]} and v{versions[1]} of a series",
            hint="keep one version there, or list the files in order in a file `series`",
        )


def _entries(text: str) -> Iterator[list[str]]:
    """Yield the words of each entry of a quilt series."""
    for line in text.splitlines():
        words = re.sub(r"(?:^|\s)#.*", "", line).split()
        if words:
            yield words


def _is_list(path: Path) -> bool:
    """Whether a file lists others: its first entry is one, beside it."""
    entry = next(_entries(_text(path)), [""])
    return path.name == QUILT or ((path.parent / entry[0]).is_file() and len(entry) <= 2)


def _listed(series: Path) -> list[Path]:
    found = []
    for name, *options in _entries(_text(series)):
        if options not in ([], ["-p1"]):
            raise UserError(
                f"{series} applies {name} with {' '.join(options)}",
                hint="make it a patch for -p1: quilt refresh -p1",
            )
        if not (series.parent / name).is_file():
            raise UserError(f"{series} lists {name}, which is not there", hint="mend the list")
        found.append(series.parent / name)
    return found


def _text(path: Path) -> str:
    content = path.read_bytes()
    for start, why in _NOT_TEXT.items():
        if content.startswith(start):
            raise UserError(f"{path} {why}", hint="or name a folder of patches")
    try:
        return content.decode()
    except UnicodeDecodeError:
        # Latin-1 is still found in patches, and decodes anything; no text has zeroes.
        if b"\0" in content:
            raise UserError(f"{path} is not text", hint="name a patch or an mbox") from None
        return content.decode("latin-1")


def _patches_of(path: Path, *, cache: Path) -> list[PatchFile]:
    text, content = _text(path), path.read_bytes()
    if _MBOX.match(content) or _MAIL.match(content):
        return _mails(path, cache=cache)
    if not _DIFF.search(text):
        raise UserError(
            f"{path} is neither a patch nor an mbox nor a list of patches",
            hint="an mbox begins with `From `; b4 am and git format-patch --stdout write one",
        )
    return [PatchFile(path.name, "", _kept(content, path.name, cache=cache))]


def _mails(path: Path, *, cache: Path) -> list[PatchFile]:
    found: list[PatchFile] = []
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _git(folder, "mailsplit", f"-o{folder}", "-b", str(path), of=path)
        names = sorted(mail.name for mail in folder.iterdir() if mail.name.isdecimal())
        mails = may_be_patches([read_mail(folder / name) for name in names])
        subjects = {
            mail: subject for mail in mails if (subject := _split(mail, of=path)) is not None
        }
        for mail in in_order(list(subjects), of=path):
            name = path.name if len(names) == 1 else f"{path.name}, mail {int(mail.path.name)}"
            content = _patch_of(mail).read_bytes()
            kept = _kept(content, f"{len(found) + 1:04}.patch", cache=cache)
            found.append(PatchFile(name, subjects[mail], kept, mail.sent))
    if not found and path.suffix not in (".patch", ".diff"):  # then the file is a cover letter
        raise UserError(f"no mail of {path} has a patch", hint="save the thread's patches: b4 am")
    return found


def _patch_of(mail: Mail) -> Path:
    return mail.path.with_suffix(".patch")


def _split(mail: Mail, *, of: Path) -> str | None:
    """Write a mail's patch to a file beside it; return its subject, None if it has no patch."""
    folder, patch = mail.path.parent, _patch_of(mail)
    arguments = ("mailinfo", "--no-scissors", "message", patch.name)
    said = _git(folder, *arguments, of=of, mail=mail.path)
    subject = (_SUBJECT.findall(said) or [""])[0]
    return subject if _DIFF.search(_text(patch)) else None


def _git(folder: Path, *arguments: str, of: Path, mail: Path | None = None) -> str:
    """Run git on `of`, with a mail as its input; return what it printed. Raises UserError."""
    env = {**clean_environment(), "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    argv = ["git", *arguments]
    status, said = output_of(argv, cwd=folder, env=env, stdin=mail)
    if status != 0:
        raise UserError(
            f"{of} is not an mbox that git can read: {' '.join(said.split())}",
            hint="save it again: b4 am, or git format-patch --stdout",
        )
    return said


def _kept(content: bytes, name: str, *, cache: Path) -> Path:
    """Keep a patch's text in the cache under its hash, and return where."""
    folder = PATCHES.path(cache) / hashlib.sha256(content).hexdigest()[:32]
    path = folder / name.rpartition("/")[2]
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    return path
