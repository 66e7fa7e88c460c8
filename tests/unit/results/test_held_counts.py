# SPDX-License-Identifier: GPL-2.0-only
"""A kept run counted by classes of attacks: what counts, and what is said of the rest."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from kept_runs import keep_run
from outcomes import cell
from scripted_lab import outcome
from small_corpus import SMALL

from harness.host.errors import UserError
from harness.judge.cells import all_cells
from harness.model.verdict import Verdict
from harness.report.held_table import TOTAL, as_json, markdown, text
from harness.results.held_counts import (
    BELOW,
    CENTRAL,
    DEFINITION,
    NOT_RUN,
    HeldByClass,
    HeldCount,
    count_by_class,
)
from harness.results.recorded_run import read_run
from harness.scenarios.classes import BROUGHT, always_counted, class_of

if TYPE_CHECKING:
    from pathlib import Path

    from harness.model.cell import Outcome


DIRECT = class_of("proc_mem_write")
INSIDE = class_of("escape_openat")


def counted(root: Path, *variants: str, script: dict[str, Outcome] | None = None) -> HeldByClass:
    keep_run(root, "kept", script=script)
    return count_by_class(read_run("kept", root=root), SMALL, variants)


def test_held_is_counted_of_those_with_a_verdict(tmp_path: Path) -> None:
    counts = counted(tmp_path, "baseline", "isolated", "kthread")
    assert counts.rows[DIRECT] == {
        "baseline": HeldCount(held=0, run=3),
        "isolated": HeldCount(held=3, run=3),
        "kthread": HeldCount(held=3, run=3),
    }
    assert counts.rows[INSIDE]["kthread"] == HeldCount(not_applicable=1)
    assert counts.total["kthread"] == HeldCount(held=3, run=4, not_applicable=1)
    assert sum(row["isolated"].run for row in counts.rows.values()) == counts.total["isolated"].run


def test_references_do_not_count(tmp_path: Path) -> None:
    counts = counted(tmp_path, "isolated")
    assert counts.total["isolated"].cells == len(SMALL.scenarios) - 2


def test_a_control_that_did_not_win_is_an_error_everywhere(tmp_path: Path) -> None:
    counts = counted(
        tmp_path,
        "baseline",
        "isolated",
        script={"baseline__ptrace_seize": outcome(Verdict.HELD)},
    )
    assert counts.rows[DIRECT]["baseline"] == HeldCount(held=0, run=2, errors=1)
    assert counts.rows[DIRECT]["isolated"] == HeldCount(held=2, run=2, errors=1)


def test_a_step_that_was_gained_is_told_apart(tmp_path: Path) -> None:
    gained = {"isolated__ptrace_seize": replace(outcome(Verdict.HELD), gained=("an address",))}
    assert counted(tmp_path, "isolated", script=gained).rows[DIRECT]["isolated"].steps == 1


def test_a_variant_without_a_cell_is_not_run(tmp_path: Path) -> None:
    counts = counted(tmp_path)
    assert counts.variants == CENTRAL
    assert set(counts.total) == {"baseline", "isolated", "kthread"}
    assert counts.not_shown == ["isolated-debug"]
    assert counts.partly == {}
    lines = markdown(counts).splitlines()
    assert lines[0] == f"| attacks | {' | '.join(f'`{name}`' for name in CENTRAL)} |"
    of = dict(zip(CENTRAL, lines[2].strip("| ").split(" | ")[1:], strict=True))
    assert (of["baseline"], of["smack"], of["tsem"]) == ("0 of 3", NOT_RUN, NOT_RUN)
    assert "Also run, and not shown: isolated-debug." in markdown(counts)


def test_what_was_not_made_of_all_is_told(tmp_path: Path) -> None:
    keep_run(
        tmp_path,
        "kept",
        without=[one for one in all_cells(SMALL) if one.scenario in ("dev_mem", "escape_openat")],
        header={"finished": None, "stopped_by": "SIGINT"},
    )
    counts = count_by_class(read_run("kept", root=tmp_path), SMALL, ["isolated"])
    assert counts.partly == {"isolated": 3}
    assert counts.rows[INSIDE]["isolated"] == HeldCount()
    said = text(counts)
    assert "On isolated, 3 attacks only." in said
    alike = count_by_class(read_run("kept", root=tmp_path), SMALL, ["baseline", "isolated"])
    assert "On baseline, isolated, 3 attacks only." in text(alike)
    assert "That run was cut short: stopped by SIGINT." in said


def test_what_a_run_lacks_is_counted_from_another(tmp_path: Path) -> None:
    keep_run(tmp_path, "kept")
    keep_run(tmp_path, "other", header={"kernel": "a tree", "line": "mine", "commit": "c0ffee"})
    run, other = (read_run(name, root=tmp_path) for name in ("kept", "other"))
    cells = {c: one for c, one in run.cells.items() if c.variant != "kthread"}
    alone = replace(run, cells=cells)
    counts = count_by_class(alone, SMALL, ["isolated", "kthread"], others=[other])
    assert counts.total["kthread"] == count_by_class(run, SMALL, ["kthread"]).total["kthread"]
    assert counts.total["isolated"] == count_by_class(run, SMALL, ["isolated"]).total["isolated"]
    assert (
        "kthread is counted from run other: line mine, kernel image 0123456789ab, "
        "built from a tree, harness c0ffee" in text(counts)
    )
    assert "isolated is counted" not in text(counts)
    assert json.loads(as_json(counts))["others"] == {"kthread": "other"}
    assert "kthread is counted" not in text(count_by_class(run, SMALL, others=[other]))


def test_a_variant_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no variant smaack, neither in the run kept nor"):
        counted(tmp_path, "smaack")


def test_what_is_at_stake_is_a_class_of_the_runs_that_have_it(tmp_path: Path) -> None:
    stake = class_of("forged_key")
    assert stake.startswith("stake:") and stake == class_of("forged_digest")
    path = keep_run(tmp_path, "kept") / "results.jsonl"
    assert stake not in count_by_class(read_run("kept", root=tmp_path), SMALL).rows
    path.write_text(path.read_text().replace('"dev_mem"', '"forged_key"'))
    counts = count_by_class(read_run("kept", root=tmp_path), SMALL, ["isolated"])
    assert counts.rows[stake]["isolated"].cells == 1


def test_a_variant_and_an_attack_that_only_the_run_knows_are_counted(tmp_path: Path) -> None:
    path = keep_run(tmp_path, "kept") / "results.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    mine = [
        line | {"variant": "mine"} | ({"scenario": "x"} if line["scenario"] == "dev_mem" else {})
        for line in lines
        if line["variant"] == "isolated"
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in (*lines, *mine)))
    counts = count_by_class(read_run("kept", root=tmp_path), SMALL, ["mine"])
    assert counts.rows[DIRECT]["mine"].cells == 3
    assert counts.rows[BROUGHT]["mine"].cells == 1


def test_the_forms_say_the_same(tmp_path: Path) -> None:
    counts = counted(tmp_path, "isolated", "smack")
    value = json.loads(as_json(counts))
    assert value["run"] == "kept"
    assert value["classes"][DIRECT]["isolated"]["held"] == 3
    assert value["all"]["smack"] is None
    names = [*always_counted(), TOTAL, *BELOW]
    for said in (text(counts), markdown(counts)):
        rows = [line.removeprefix("| ") for line in said.splitlines()]
        assert all(any(row.startswith(f"{name} ") for row in rows) for name in names)
        assert "Counted from run kept: line 6.12, kernel image 0123456789ab." in said
        assert DEFINITION in said


def test_nothing_of_a_guest_gets_through(tmp_path: Path) -> None:
    run = read_run(str(keep_run(tmp_path, "kept")), root=tmp_path)
    strange = {cell("a\x1b[2J", one.scenario): found for one, found in run.cells.items()}
    counts = count_by_class(type(run)("kept", run.header, strange), SMALL, ["a\x1b[2J"])
    assert "\x1b" not in text(counts) + markdown(counts)
