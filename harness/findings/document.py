# SPDX-License-Identifier: GPL-2.0-only
"""A document of sentences, lists of attacks and tables: as Markdown, or as a mail."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.report.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

COLUMNS = 72
"""The most columns of a mail."""

_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


@dataclass(frozen=True)
class Text:
    """A paragraph; code stands between backticks, a link is Markdown's."""

    words: str


@dataclass(frozen=True)
class Names:
    """A list of attacks, with the words that come before it."""

    head: str
    names: Sequence[str]


@dataclass(frozen=True)
class Table:
    """A table: its first row is its head. With `of_attacks`, the first column names attacks."""

    rows: Sequence[Sequence[str]]
    of_attacks: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture, which a mail does not have, and the sentence that stands for it."""

    file: str
    said: str


Block = Text | Names | Table | Picture


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Document:
    """A title, an introduction, and sections."""

    title: str
    blocks: Sequence[Block]
    sections: Sequence[Section] = field(default_factory=tuple)


def code(name: str) -> str:
    """Return a name as code."""
    return f"`{visible(name)}`"


def markdown(document: Document, link: Callable[[str], str] = code) -> str:
    """Return the document as Markdown. `link` returns what stands for the name of an attack."""

    def written(blocks: Sequence[Block]) -> Iterator[str]:
        for block in blocks:
            yield from ("", *_block(block, link))

    lines = [f"# {document.title}", *written(document.blocks)]
    for section in document.sections:
        lines += ["", f"## {section.title}", *written(section.blocks)]
    return "\n".join(lines)


def mail(document: Document) -> str:
    """Return the document in plain text, for a mail: no line is longer than `COLUMNS`."""
    lines = [document.title, "=" * min(len(document.title), COLUMNS), ""]
    lines += _plain_blocks(document.blocks)
    for section in document.sections:
        wrapped = textwrap.wrap(plain(section.title), COLUMNS)
        lines += [*wrapped, "-" * max(map(len, wrapped)), ""]
        lines += _plain_blocks(section.blocks)
    return "\n".join(lines).rstrip("\n")


def _block(block: Block, link: Callable[[str], str]) -> Iterator[str]:
    if isinstance(block, Text):
        yield block.words
    elif isinstance(block, Names):
        yield f"{block.head}: {', '.join(map(link, block.names)) or 'none'}."
    elif isinstance(block, Picture):
        yield f"![{block.said}]({block.file})"
    else:
        head, *rows = block.rows
        yield f"| {' | '.join(head)} |"
        yield f"| {' | '.join('---' for _ in head)} |"
        for first, *rest in rows:
            named = link(first) if block.of_attacks else first
            yield f"| {' | '.join([named, *rest])} |"


def _plain_blocks(blocks: Sequence[Block]) -> list[str]:
    shown = [block for block in blocks if not isinstance(block, Picture)]
    return [line for block in shown for line in (*_plain_block(block), "")]


def _plain_block(block: Text | Names | Table) -> list[str]:
    if isinstance(block, Text):
        return _wrapped(plain(block.words))
    if isinstance(block, Names):
        return _wrapped(plain(f"{block.head}: {', '.join(block.names) or 'none'}."), hang=2)
    return _plain_table([[plain(field) for field in row] for row in block.rows])


def _plain_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the table in columns, or a paragraph for each row if the columns do not fit."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if sum(widths) + 2 * (len(widths) - 1) <= COLUMNS:
        return [
            "  ".join(f"{word:<{width}}" for word, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
    (_, *heads), *others = rows
    lines = []
    for first, *rest in others:
        said = "; ".join(f"{head} {word}" for head, word in zip(heads, rest, strict=True) if word)
        lines += _wrapped(f"{first}: {said}", hang=2)
    return lines


def _wrapped(words: str, *, hang: int = 0) -> list[str]:
    return textwrap.wrap(words, COLUMNS, subsequent_indent=" " * hang, break_on_hyphens=False)


def plain(words: str) -> str:
    """Return words without the marks of Markdown."""
    return visible(_LINK.sub(r"\1", words).replace("`", "").replace("**", ""))
