# SPDX-License-Identifier: GPL-2.0-only
"""The reviewed lists: their rules, and what they make of an entry."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from harness.cli.main import main
from harness.host.errors import UserError
from harness.surface.facts import Facts
from harness.surface.report import REVIEWED_LINE, count, is_closed, report
from harness.surface.review import EntryState, Noise, Opinion, Review, judge, load_review
from harness.surface.routes import ROUTES

if TYPE_CHECKING:
    from pathlib import Path

REVIEW = """
[covered]
proc-mem-write = ["mem_write"]
kill-family = ["kill_write"]

[noise.self-only]
do_exit = ["exit_write"]

[noise.read-only]
show = ["net/*"]
"""


@pytest.fixture
def review(tmp_path: Path) -> Review:
    (tmp_path / "some.toml").write_text(REVIEW)
    return load_review("some", folder=tmp_path)


def judged(name: str, review: Review) -> tuple[EntryState, str]:
    (entry,) = judge(
        {name: "somewhere"},
        review,
        scenarios={"proc-mem-write": ["proc_mem_write"]},
        functions={"do_exit", "show"},
    )
    return entry.state, entry.why


def test_an_entry_is_covered_by_the_attacks_on_its_row(review: Review) -> None:
    assert judged("mem_write", review) == (EntryState.COVERED, "proc-mem-write: proc_mem_write")


def test_a_row_without_an_attack_is_open(review: Review) -> None:
    state, why = judged("kill_write", review)
    assert state is EntryState.OPEN
    assert "kill-family" in why


def test_noise_says_its_class_and_its_end(review: Review) -> None:
    assert judged("exit_write", review) == (EntryState.NOISE, "self-only, ends at do_exit")
    assert judged("net/ipv4/x", review)[0] is EntryState.NOISE


def test_noise_whose_end_is_gone_is_open_again(review: Review) -> None:
    (entry,) = judge({"exit_write": ""}, review, scenarios={}, functions={"show"})
    assert entry.state is EntryState.OPEN
    assert not entry.is_new


def test_what_nobody_reviewed_is_open_and_new(review: Review) -> None:
    (entry,) = judge({"new_write": ""}, review, scenarios={}, functions=())
    assert (entry.state, entry.is_new) == (EntryState.OPEN, True)


def test_reviewed_names_that_are_gone_are_told(review: Review) -> None:
    assert review.stale({"mem_write", "kill_write"}) == ["exit_write", "net/*"]
    sometimes = replace(review, sometimes=frozenset({"exit_write"}))
    assert sometimes.stale({"mem_write", "kill_write"}) == ["net/*"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[noise.harmless]\nf = ['a']", "class of noise 'harmless'"),
        ("[covered]\na = ['x']\nb = ['x']", "x twice"),
        ("[covered]\na = ['x']\n[noise.self-only]\nf = ['x']", "x twice"),
        ("[ignored]\na = ['x']", "table 'ignored'"),
        ("sometimes = ['y']\n[covered]\na = ['x']", "y in `sometimes` alone"),
        ("[covered", "cannot be read"),
    ],
)
def test_a_list_that_breaks_the_rules_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "some.toml").write_text(text)
    with pytest.raises(UserError, match=complaint):
        load_review("some", folder=tmp_path)


def test_the_classes_are_these() -> None:
    assert {str(noise) for noise in Noise} == {
        "self-only",
        "read-only",
        "unreachable",
        "boot-only",
    }
    assert all(noise.meaning for noise in Noise)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_what_we_ship_keeps_the_rules(route: object) -> None:
    review = load_review(getattr(route, "name", ""))
    assert review.exact


def facts(name: str, entry: str) -> Facts:
    return Facts(name, {"hooks": {"task_kill": "p", entry: "q"}}, frozenset({"a"}))


def test_the_report_counts_and_names_what_is_new() -> None:
    counted = count(facts("7.9", "task_new"), {"kill-family": ["kill"]})
    text = report(facts("7.9", "task_new"), counted, everything=False)
    assert not is_closed(counted)
    assert "task_new" in text
    assert f"1 new since {REVIEWED_LINE}" in text
    assert "stale" not in text, "another kernel may lack what the reviewed one has"


def test_the_reviewed_line_may_have_nothing_stale() -> None:
    counted = count(facts(REVIEWED_LINE, "ptrace_access_check"), {})
    assert any("ptrace_traceme" in one.stale for one in counted)
    assert "stale: reviewed/hooks.toml has ptrace_traceme" in report(
        facts(REVIEWED_LINE, "capget"), counted, everything=True
    )


def test_an_opinion_is_one_thing() -> None:
    assert Opinion(row="x").noise is None


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--built-tree", "/nowhere"], "/nowhere has no vmlinux: it is not built; name the folder"),
        (["--diff", "a", "b", "c"], "--diff compares two kernels; name one or two"),
        (["--diff", "6.12", "7.1"], "there is no kernel 7.1; take 6.1, 6.12, 7.2 or the path of a"),
        (["--diff", "stock", "/nowhere"], "stock comes first, then a line; --diff stock 6.12"),
        (["--probe", "--diff", "stock"], "--probe writes to a guest of --line; leave out --built"),
        (["--diff", "6.12", "stock"], "stock comes first, then a line; --diff stock 6.12"),
    ],
)
def test_what_cannot_be_counted_is_said(
    capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    assert main(["surface", *arguments]) == 2
    assert complaint in capsys.readouterr().err
