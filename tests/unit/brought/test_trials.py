# SPDX-License-Identifier: GPL-2.0-only
"""The attacks on trial can be loaded, and isolation.md says how each wins, and which still does."""

from __future__ import annotations

import re

from harness.brought.scenario_files import load_scenario_files
from harness.host.paths import CHECKOUT
from harness.model.verdict import Verdict
from harness.scenarios.corpus import SHIPPED

TRIALS = CHECKOUT / "tests" / "trials"
FILES = "throttled.py", "starved.py"
PAGE = CHECKOUT / "docs" / "explanation" / "isolation.md"


def test_each_wins_as_the_page_says() -> None:
    corpus = load_scenario_files([TRIALS / name for name in FILES], SHIPPED)
    names = corpus.scenarios.keys() - SHIPPED.scenarios.keys()
    table = PAGE.read_text().split("| the fix |", maxsplit=1)[1].split("\n\n", maxsplit=1)[0]
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (built|not built): ", table, re.MULTILINE))
    assert names == rows.keys()
    for name, fix in rows.items():
        hole = corpus.scenarios[name].holes.get("isolated")
        assert (hole is not None and hole.verdict is Verdict.DISRUPTED) == (fix == "not built")
