# SPDX-License-Identifier: GPL-2.0-only
"""The mails of a thread that are patches: by their subjects, and in the order of their numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.parser import BytesHeaderParser
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_ANSWER = re.compile(r"(?:re|aw|fw|fwd|antw|sv)\s*:", re.IGNORECASE)
_TAGS = re.compile(r"(?:\[[^\]]*\]\s*)+")
_VERSION = re.compile(r"\bv(\d+)\b", re.IGNORECASE)
_NUMBER = re.compile(r"\b(\d+)/(\d+)\b")


@dataclass(frozen=True)
class Mail:
    """A mail of an mbox. `version` is its series' version, `number` its place among `total`.

    `number` and `total` are -1 without a number in the subject.
    """

    path: Path
    identity: str
    is_answer: bool
    title: str
    version: int
    sent: str
    """The day on which it was sent, such as 2024-08-26; empty if it does not say."""
    number: int = -1
    total: int = -1


def read_mail(path: Path) -> Mail:
    """Read the headers of a mail."""
    with path.open("rb") as file:
        headers = BytesHeaderParser().parse(file)
    subject = " ".join(_decoded(str(headers.get("Subject", ""))).split())
    tags = _TAGS.match(subject)
    version = _VERSION.search(tags[0]) if tags else None
    place = _NUMBER.search(tags[0]) if tags else None
    return Mail(
        path,
        str(headers.get("Message-ID", path.name)).strip(),
        _ANSWER.match(subject) is not None,
        subject[tags.end() :] if tags else subject,
        int(version[1]) if version else 1,
        _day(str(headers.get("Date", ""))),
        *((int(place[1]), int(place[2])) if place else ()),
    )


def _day(date: str) -> str:
    try:
        return parsedate_to_datetime(date).date().isoformat()
    except ValueError:
        return ""


def _decoded(header: str) -> str:
    try:
        return str(make_header(decode_header(header)))
    except (HeaderParseError, LookupError, UnicodeDecodeError):
        return header


def may_be_patches(mails: Sequence[Mail]) -> list[Mail]:
    """Return the mails without answers, cover letters and second copies."""
    first = {mail.identity: mail for mail in reversed(mails)}
    return [
        mail
        for mail in mails
        if not mail.is_answer and mail.number != 0 and first[mail.identity] is mail
    ]


def in_order(mails: Sequence[Mail], *, of: Path) -> list[Mail]:
    """Return the patches of an mbox by their numbers if they are of one series, else as they are.

    Raises UserError if a patch is there in two versions.
    """
    seen: dict[object, int] = {}
    for mail in mails:
        for key in ((mail.number, mail.total), mail.title):
            if key != (-1, -1) and seen.setdefault(key, mail.version) != mail.version:
                versions = sorted({seen[key], mail.version})
                raise UserError(
                    f"{of} has v{versions[0]} and v{versions[1]} of “{mail.title}”",
                    hint="keep the mails of one version: b4 am takes the latest",
                )
    numbers = {mail.number for mail in mails}
    is_one = len({mail.total for mail in mails}) == 1 and len(numbers) == len(mails)
    return sorted(mails, key=lambda mail: mail.number) if is_one else list(mails)
