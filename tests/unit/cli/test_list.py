# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness list`: the corpus as text."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

import pytest
from command_line import umd_harness

from harness.judge.cells import all_cells
from harness.model.cell import Cell
from harness.model.variants import VARIANTS
from harness.report.listing import ListedCells, listing
from harness.scenarios import SCENARIOS
from harness.scenarios.corpus import SHIPPED

if TYPE_CHECKING:
    from pathlib import Path


def test_list_says_what_each_variant_should_give(tmp_path: Path) -> None:
    listed = umd_harness(tmp_path, "list", whole=True).stdout
    for name, scenario in SCENARIOS.items():
        assert f"\n{name}  (effect" in f"\n{listed}"
        assert scenario.surface in listed
        assert ", ".join(scenario.answers) in listed
    for variant in VARIANTS.values():
        assert variant.summary in listed


def test_list_marks_controls_holes_and_what_is_not_applicable(tmp_path: Path) -> None:
    listed = umd_harness(tmp_path, "list").stdout
    assert (
        textwrap.dedent(
            """
        escape_openat  (effect escape, surface escape-syscall, answers C1, R13)
            From inside: open a file.
            reachable with: ours, Debian, Fedora
            baseline        tampered  control
            isolated        held
            isolated-debug  held
            kthread         n/a  nothing confines kernel code
        """
        )
        in listed
    )
    assert "\n    isolated        tampered  known hole: who writes all of memory" in listed
    assert "\n    kthread         tampered  who writes all of memory" in listed


def test_the_page_has_each_attack_once_with_its_verdicts_and_reasons(tmp_path: Path) -> None:
    page = umd_harness(tmp_path, "list", "--format", "markdown").stdout
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) == len({row.split("|")[1] for row in rows})
    assert (
        "| `escape_openat` | From inside: open a file. | escape | escape-syscall |  "
        "| ours, Debian, Fedora | C1, R13 | tampered | held | held | n/a |"
    ) in rows
    assert "- `escape_openat` on kthread: nothing confines kernel code" in page
    assert "- `dev_mem` on isolated, isolated-debug, kthread: who writes all of memory" in page


def test_a_list_has_the_chosen_cells(tmp_path: Path) -> None:
    words = ("-k", "dev_mem and isolated or escape_openat", "--variant", "isolated")
    listed = umd_harness(tmp_path, "list", *words, "--variant", "kthread").stdout
    paragraphs = [one.split("\n")[0].split()[0] for one in listed.split("\n\n")]
    assert paragraphs == ["escape_openat", "dev_mem", "variants:"]
    assert listed.count("\n    isolated  ") == 2
    assert listed.count("\n    kthread   ") == 1
    page = umd_harness(tmp_path, "list", *words, "--format", "markdown").stdout
    assert page.count("\n| `") == 2
    assert page.count("\n- `dev_mem` on isolated: ") == 1


@pytest.mark.parametrize("command", ["list", "run"])
def test_a_word_that_matches_nothing_is_a_warning(tmp_path: Path, command: str) -> None:
    expression = "nothing and not nosuch and not kthread or kthraed"
    done = umd_harness(tmp_path, command, "-k", expression, "--variant", "isolated")
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        f"umd-harness: warning: nothing matches 'nosuch' in -k '{expression}'; "
        "`umd-harness list` prints all names",
        f"umd-harness: warning: nothing matches 'kthraed' in -k '{expression}'; "
        "did you mean kthread?",
    ]


def test_a_line_is_a_word_of_an_expression(tmp_path: Path) -> None:
    words = ("-k", "[6.1-isolated-nothing]")
    assert umd_harness(tmp_path, "list", *words).returncode == 2
    listed = umd_harness(tmp_path, "list", *words, "--line", "6.1", "--format", "json").stdout
    (scenario,) = json.loads(listed)["scenarios"]
    assert [one["variant"] for one in scenario["expected"]] == ["isolated"]


def test_the_json_has_each_cell_with_its_verdict_and_reason(tmp_path: Path) -> None:
    listed = json.loads(umd_harness(tmp_path, "list", "--format", "json", whole=True).stdout)
    cells = [
        Cell(listed["line"], one["variant"], scenario["name"])
        for scenario in listed["scenarios"]
        for one in scenario["expected"]
    ]
    assert len(cells) == len(set(cells))
    assert set(cells) == set(all_cells(SHIPPED))
    assert [one["name"] for one in listed["variants"]] == list(VARIANTS)
    assert [one["name"] for one in listed["scenarios"]] == list(SCENARIOS)
    for scenario in listed["scenarios"]:
        declared = SCENARIOS[scenario["name"]].on_line(listed["line"])
        assert scenario["answers"] == list(declared.answers)
        for one in scenario["expected"]:
            variant = VARIANTS[one["variant"]]
            assert one["verdict"] == declared.expected(variant)
            if hole := declared.hole_on(variant):
                assert one["reason"] == hole.reason


@pytest.mark.parametrize("columns", [30, 60, 200])
def test_on_a_terminal_no_word_is_lost_or_cut(columns: int) -> None:
    cells = ListedCells(SHIPPED, all_cells(SHIPPED))
    whole, wrapped = listing(cells), listing(cells, columns=columns)
    assert wrapped.split() == whole.split()
    for line in wrapped.splitlines():
        assert len(line) <= columns or len(line.split()) == 1
