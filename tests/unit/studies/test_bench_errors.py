# SPDX-License-Identifier: GPL-2.0-only
"""What `bench` says of a cell that ended in an error."""

from __future__ import annotations

import pytest
from scripted_lab import SmallLab, outcome

from harness.host.errors import UserError
from harness.model.verdict import Verdict
from harness.studies.bench import REPEAT, bench


def test_words_of_a_guest_are_escaped() -> None:
    lab = SmallLab({("baseline", "nothing"): outcome(Verdict.ERROR, "gone\x1b[2J\n::error::no")})
    with pytest.raises(UserError) as error:
        bench(lab, line="6.12", repeat=REPEAT, progress=lambda _: None)
    assert r"ended in an error: gone\x1b[2J\n:\x3aerror:\x3ano" in str(error.value)
