# SPDX-License-Identifier: GPL-2.0-only
"""The text of a line of results.jsonl: that of Python's `json`, whoever makes it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given
from hypothesis import strategies as st
from result_lines import result_line

from harness.model.verdict import Verdict
from harness.results.records import json_line
from harness.results.results_file import ResultsFile


@given(st.text(st.characters()), st.floats() | st.integers(0, 999))
@example("".join(map(chr, range(256))), 0.125)
@example("\udce4", 0.001)
@example("plain", float("nan"))
@example("plain", 0.00001)
@example("plain", 1e16)
def test_the_text_of_a_line_is_that_of_python(detail: str, seconds: float) -> None:
    line = result_line(Verdict.HELD, detail=detail, seconds=seconds)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "results.jsonl"
        ResultsFile(path).write([line])
        assert path.read_text() == json_line(line)
