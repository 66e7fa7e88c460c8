# SPDX-License-Identifier: GPL-2.0-only
"""The section about a bug in a parser, from the figures that the repository keeps."""

from __future__ import annotations

from msgspec import structs

from harness.findings.document import Document, mail, markdown
from harness.findings.parser_bug import bug_section, kept_bug


def test_each_place_has_a_row_and_a_parser_that_differs_another() -> None:
    figures = kept_bug()
    assert figures is not None
    section = bug_section(figures)
    page = markdown(Document("", [], [section]))
    assert "| `kthread` | yes | yes | the attacker's |" in page
    assert "| `isolated`, `fresh` | yes | no | right |" in page
    assert "line 6.12, kernel 6.12." in page
    first, *others = figures.settings
    other = structs.replace(first, sets_name=not first.sets_name)
    page = markdown(
        Document("", [], [bug_section(structs.replace(figures, settings=(other, *others)))])
    )
    assert "| `kthread`: `x509` | yes | no | the attacker's |" in page
    assert "| `kthread`: `pkcs7`, `pgp`, `rpm` | yes | yes | the attacker's |" in page


def test_a_mail_has_the_section_in_its_width() -> None:
    figures = kept_bug()
    assert figures is not None
    lines = mail(Document("Findings", [], [bug_section(figures)])).splitlines()
    assert max(map(len, lines)) <= 72
