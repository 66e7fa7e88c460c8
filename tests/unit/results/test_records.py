# SPDX-License-Identifier: GPL-2.0-only
"""JSON by msgspec, and by Python where msgspec refuses: the same text and the same values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.host.errors import UserError
from harness.results.records import decoded, json_text

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters())
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@given(VALUES)
def test_the_text_is_that_of_python_and_comes_back(value: object) -> None:
    text = json_text(value)
    assert text == json.dumps(value, indent=1) + "\n"
    back = decoded(text.encode(), Any, path=Path("x"))
    assert json.dumps(back) == json.dumps(value)


@pytest.mark.parametrize("value", ["\udc80", float("nan"), float("inf"), ["a", {"b": "\ud800"}]])
def test_what_msgspec_refuses_is_written_and_read_all_the_same(value: object) -> None:
    assert json_text(value) == json.dumps(value, indent=1) + "\n"
    back = decoded(json_text(value).encode(), Any, path=Path("x"))
    assert json.dumps(back) == json.dumps(value)


@pytest.mark.parametrize("text", [b"", b"{", b"[1] 2", b"[" * 100_000, b'"\xff"', b'"7"'])
def test_damage_is_named_in_the_words_of_python(text: bytes) -> None:
    with pytest.raises(UserError, match=r"^x is damaged in line 3: "):
        decoded(text, int, path=Path("x"), line=3)
