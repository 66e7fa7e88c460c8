# SPDX-License-Identifier: GPL-2.0-only
"""The attacks on trial can be loaded, and isolation.md says how each wins."""

from __future__ import annotations

import re

from harness.brought.scenario_files import load_scenario_files
from harness.host.paths import CHECKOUT
from harness.model.verdict import Verdict
from harness.scenarios.corpus import SHIPPED

TRIALS = CHECKOUT / "tests" / "trials"
FILES = "throttled.py", "starved.py"
PAGE = CHECKOUT / "docs" / "explanation" / "isolation.md"


def test_each_wins_against_isolated_as_the_page_says() -> None:
    corpus = load_scenario_files([TRIALS / name for name in FILES], SHIPPED)
    names = corpus.scenarios.keys() - SHIPPED.scenarios.keys()
    table = PAGE.read_text().split("| the fix |", maxsplit=1)[1].split("\n\n", maxsplit=1)[0]
    assert names == set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    for name in names:
        assert corpus.scenarios[name].holes["isolated"].verdict is Verdict.DISRUPTED
