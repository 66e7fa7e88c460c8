# SPDX-License-Identifier: GPL-2.0-only
"""The price of each defence: every patch has its defence, and the front is right."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from msgspec import structs

from harness.findings.price import COMMITS, FILTER, HOT, OUTSIDE, SHARED, Price, price_of, prices
from harness.findings.price_page import priced
from harness.findings.price_picture import svg
from harness.findings.price_table import Point, front, together
from harness.host.paths import KERNEL_PATCHES
from harness.kernel.series.lines import kernel_lines
from harness.kernel.series.series_file import load_series
from harness.results.defence_summary import Alone, DefenceSummary, RoundTrips
from harness.studies.defences import DEFENCES

TESTED = re.compile(r"^\+.*\bUMD_([A-Z]+)\b", re.MULTILINE)
ELSEWHERE = {"0007-isolation": {"bpf"}}
"""Patches that test another defence than their own as well, and which."""

PATCH = """\
--- a/kernel/fork.c
+++ b/kernel/fork.c
@@ -1,2 +1,3 @@ struct mm_struct *get_task_mm(struct task_struct *task)
 a
-b
+c
+d
--- /dev/null
+++ b/kernel/new.c
@@ -0,0 +1 @@
+e
--- a/kernel/ours.c
+++ b/kernel/ours.c
@@ -1 +1,2 @@ __latent_entropy struct task_struct *cop
+f
"""


@pytest.mark.parametrize("line", kernel_lines(KERNEL_PATCHES))
def test_each_patch_has_the_defence_that_it_tests(line: str) -> None:
    series = load_series(line, patches=KERNEL_PATCHES)
    assert set(DEFENCES) | {SHARED, FILTER} == prices(series).keys()
    for commit in series.commits:
        if commit.patch is None:
            continue
        owner = COMMITS[commit.patch.stem]
        tested = {name.lower() for name in TESTED.findall(commit.patch.read_text())}
        others = (tested & DEFENCES.keys()) - {owner} - ELSEWHERE.get(commit.patch.stem, set())
        assert not others or owner == OUTSIDE, commit.patch.stem


def test_new_files_and_the_series_own_are_free() -> None:
    price = price_of(PATCH.splitlines(), {"kernel/ours.c"})
    assert price == Price(2, ("kernel/fork.c",), (HOT["kernel/fork.c", "get_task_mm"],))


def test_a_heading_that_is_cut_short_still_names_its_function() -> None:
    cut = [
        "--- a/kernel/fork.c",
        "+++ b/kernel/fork.c",
        "@@ -1 +1 @@ struct task_struct *cop",
        "+x",
    ]
    assert price_of(cut).paths == ("each fork",)


def test_the_front_has_what_no_cheaper_defence_equals() -> None:
    found = [Point("a", 9, 9), Point("b", 1, 4), Point("c", 2, 4), Point("d", 1, 3)]
    assert [point.name for point in front(found)] == ["b", "a"]


def test_an_attack_counts_once_all_that_it_needs_is_in() -> None:
    won = {"access": {"x": "", "y": ""}, "locked": {"y": "", "z": ""}, "oom": {}}
    alone = Alone(line="", image="", attacks=(), won=won)
    price = {"access": Price(1), "locked": Price(10), "oom": Price(1)}
    assert together(alone, price) == [Point("access", 1, 1), Point("locked", 11, 3)]


def test_the_page_of_a_run_has_the_prices_in_plain_words() -> None:
    price = {"access": Price(1, ("a.c",)), "oom": Price(2), SHARED: Price(9), FILTER: Price(9)}
    alone = Alone(line="6.12", image="abcd", attacks=("x",), won={"access": {"x": "tampered"}})
    trips = RoundTrips(
        line="6.12", image="abcd", trips=400, whole=(200, 204), without={"access": 200}
    )
    assert str(structs.replace(trips, without={"oom": 202.001}).cost("oom")) == "0.0"
    whole = priced(DefenceSummary(alone=alone, round_trips=trips), price)
    assert list(whole.rows[1:]) == [
        ["access", "1", "1", "none", "+1.0%", "1"],
        ["oom", "2", "0", "none", "not measured", "not measured"],
    ]
    assert list(whole.steps) == [
        ["added", "lines in all", "attacks held, at most"],
        ["access", "1", "1"],
    ]
    assert "200 instructions with all defences (line 6.12, kernel image abcd)" in whole.trips
    assert "2 machines with all defences differ by up to 2.0%" in whole.trips
    assert "<style>" not in whole.picture
    assert "access: 1 lines in all, 1 attacks." in whole.picture
    bare = priced(DefenceSummary(), price)
    assert (bare.trips, bare.steps, bare.picture) == ("", (), "")
    assert bare.rows[1] == ["access", "1", "1", "none", "not measured", "not measured"]


def test_the_picture_has_each_step_in_words() -> None:
    root = ET.fromstring(svg([Point("access", 1, 41), Point("oom", 3, 43)]))  # noqa: S314
    words = [str(text.text) for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "1  access: 1 lines in all, 41 attacks." in words
    assert "2  oom: 3 lines in all, 43 attacks." in words
    assert root.get("role") == "img"
