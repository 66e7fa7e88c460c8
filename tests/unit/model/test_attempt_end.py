# SPDX-License-Identifier: GPL-2.0-only
"""The end of an attempt as text, which results keep."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.attempt_end import AttemptEnd, End


@pytest.mark.parametrize("end", End)
def test_an_end_without_particulars_comes_back(end: End) -> None:
    assert AttemptEnd.parse(str(AttemptEnd(end))) == AttemptEnd(end)


@given(st.sampled_from(End), st.text(alphabet=": aE\n"))
def test_an_end_with_particulars_comes_back(end: End, detail: str) -> None:
    assert AttemptEnd.parse(str(AttemptEnd(end, detail))) == AttemptEnd(end, detail)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("", AttemptEnd(End.UNKNOWN)),
        ("lost", AttemptEnd(End.LOST)),
        ("not tried", AttemptEnd(End.NOT_TRIED)),
        ("not tried: lacking", AttemptEnd(End.LACKING)),
        ("refused: EPERM at openat", AttemptEnd(End.REFUSED, "EPERM at openat")),
        ("completed: it says: done", AttemptEnd(End.COMPLETED, "it says: done")),
    ],
)
def test_results_of_earlier_runs_are_read(text: str, end: AttemptEnd) -> None:
    assert AttemptEnd.parse(text) == end


@pytest.mark.parametrize("text", ["tried", "held: EPERM"])
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="does not tell how an attack ended"):
        AttemptEnd.parse(text)
