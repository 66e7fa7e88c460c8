# SPDX-License-Identifier: GPL-2.0-only
"""A note that is cut short, garbled or of another type counts as missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import pytest

from harness.cache.notes import read_note, write_note

if TYPE_CHECKING:
    from pathlib import Path


class Pair(NamedTuple):
    name: str
    number: int


@dataclass(frozen=True)
class Sample:
    pair: Pair
    names: frozenset[str]


SAMPLE = Sample(Pair("é", 1), frozenset({"a"}))


def test_a_note_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_note(tmp_path / "below" / "note.json", SAMPLE)
    assert read_note(tmp_path / "below" / "note.json", Sample) == SAMPLE


def test_a_note_may_hold_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    """A guest's words reach notes too: `bisect` keeps the details of verdicts."""
    names = {"a\udc80": "b\udcff"}
    write_note(tmp_path / "note.json", names)
    assert (tmp_path / "note.json").read_bytes().isascii()
    assert read_note(tmp_path / "note.json", dict[str, str]) == names


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"pair": ["a", 1], "names": [',
        b"\xff\xfe",
        b"[]",
        b'{"pair": ["a", "1"], "names": []}',
        b'{"pair": ["a", 1]}',
    ],
)
def test_a_damaged_note_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "note.json").write_bytes(content)
    assert read_note(tmp_path / "note.json", Sample) is None


def test_a_missing_note_is_none(tmp_path: Path) -> None:
    assert read_note(tmp_path / "note.json", Sample) is None
