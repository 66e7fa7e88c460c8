# SPDX-License-Identifier: GPL-2.0-only
"""The page of a run without a browser: its data, its sections, its links, and what it refuses."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hostile_run import CONTROLS, MARKUP, SHOWN, keep_hostile_run, keep_old_run
from kept_runs import keep_run
from outcomes import ISOLATED
from result_lines import result_line
from scripted_lab import outcome
from small_corpus import SMALL

from harness.model.verdict import A_STEP, Verdict
from harness.report.page import cell_data
from harness.report.page import page as module
from harness.report.page.cell_data import worse_than
from harness.report.page.page import PAGE, PageContent, Prices, page, write_page
from harness.report.page.sections import cost, difference
from harness.report.page.texts import LONGEST, Texts
from harness.results.bench_figures import BenchFigures
from harness.results.run_comparison import compare
from harness.results.run_header import Provenance
from harness.results.salvaged_run import salvage
from harness.studies.round_trip import Pair, RoundTrip


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the texts of its scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        last = self.found[-1][0] if self.found else ""
        if last in self.raw and data.strip():
            self.raw[last].append(data)


def data_of(html: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Elements(html).raw["script"][0])
    return found


def cells_of(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {cell["id"]: cell for row in data["rows"] for cell in row["cells"]}


@pytest.fixture
def html(tmp_path: Path) -> str:
    return page(PageContent(keep_hostile_run(tmp_path)), SMALL, place=tmp_path / "new")


def test_hostile_text_is_neither_markup_nor_invisible(html: str) -> None:
    elements = Elements(html)
    assert [name for name, _ in elements.found].count("script") == 2
    assert "img" not in {name for name, _ in elements.found}
    assert MARKUP not in html
    assert CONTROLS not in html
    data = data_of(html)
    cell = cells_of(data)[ISOLATED.id]
    assert data["texts"][cell["detail"]] == f"EPERM {MARKUP}{SHOWN}"


def test_hostile_text_in_the_sections_is_escaped(tmp_path: Path) -> None:
    new = keep_hostile_run(tmp_path)
    keep_run(tmp_path, "odd", header={"engine": MARKUP, "error": MARKUP + CONTROLS})
    odd = salvage("odd", root=tmp_path)
    html = page(PageContent(odd, new), SMALL, place=tmp_path)
    assert MARKUP not in html
    assert "&lt;/script&gt;&lt;script&gt;window.harmed" in html
    assert CONTROLS not in html


def test_a_long_console_stays_in_its_file(html: str) -> None:
    data = data_of(html)
    cell = cells_of(data)["6.12-kthread-ptrace_seize"]
    lines = [data["texts"][place] for place in cell["console"]]
    assert [len(line) for line in lines][:2] == [len("begin"), LONGEST]
    assert lines[1].endswith("…")
    assert len(html) < 200_000


def test_the_policy_allows_our_own_script_and_style_alone(html: str) -> None:
    elements = Elements(html)
    [policy] = [
        attributes["content"] or ""
        for name, attributes in elements.found
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for kind, text in (("script", elements.raw["script"][1]), ("style", elements.raw["style"][0])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert not [attributes for _, attributes in elements.found if "style" in attributes]


def test_nothing_of_ours_names_an_address() -> None:
    for file in Path(module.__file__).parent.iterdir():
        if file.suffix in (".html", ".css", ".js"):
            assert not re.search(r"https?:|url\(|@import|fetch\(|innerHTML", file.read_text()), file


def test_the_data_have_each_cell_once_with_its_story(tmp_path: Path, html: str) -> None:
    data, run = data_of(html), salvage("new", root=tmp_path).run
    cells = cells_of(data)
    assert {cell.id: line.verdict for cell, line in run.cells.items()} == {
        name: cell["verdict"] for name, cell in cells.items()
    }
    cell, texts = cells[ISOLATED.id], data["texts"]
    assert [texts[place][-8:] for place in cell["calls"]] == [" = EPERM"]
    assert texts[cell["why"]] == "the variant is to stop it"
    assert cell["control"] == "baseline"
    assert [texts[place] for place in cell["hooks"]] == ["security_ptrace_access_check", MARKUP]
    assert len(cell["counts"]) == len(data["phases"])
    assert texts[cell["run"]].endswith("--variant isolated -k '[6.12-isolated-proc_mem_write]'")
    assert texts[cell["shell"]].endswith("--variant isolated --prepare proc_mem_write --at after")
    [about] = [one for one in data["scenarios"] if one["name"] == "proc_mem_write"]
    assert about["about"][0] == SMALL.scenarios["proc_mem_write"].summary
    assert "harness/scenarios/direct.py:" in about["source"]


@pytest.mark.parametrize("place", ["new", ".", "else where"])
def test_the_links_lead_to_the_evidence_from_anywhere(tmp_path: Path, place: str) -> None:
    new = keep_hostile_run(tmp_path)
    (tmp_path / place).mkdir(exist_ok=True)
    data = data_of(page(PageContent(new), SMALL, place=tmp_path / place))
    evidence = tmp_path / place / unquote(data["evidence"]) / "cells"
    for name, cell in cells_of(data).items():
        for file in cell["files"]:
            assert (evidence / name / data["texts"][file]).is_file()


def test_evidence_that_is_not_there_is_named(tmp_path: Path) -> None:
    keep_run(tmp_path, "one")
    cells = tmp_path / "one/cells"
    shutil.rmtree(cells / "6.12-baseline-nothing")
    (cells / ISOLATED.id / "witness.json").write_text("{")
    (cells / "6.12-kthread-nothing" / "witness.json").write_text('{"machine": 1, "after": []}')
    (cells / "6.12-kthread-nothing" / "attempt.json").write_text('[{"call": 1}]')
    (cells / "6.12-baseline-host_tamper" / "console.txt").write_bytes(b"\xff")
    html = write_page(tmp_path / "one", SMALL).read_text()
    assert "cells of the run without evidence (1): 6.12-baseline-nothing<" in html
    assert "cells of the run with evidence that cannot be read (3): " in html
    cells_here = cells_of(data_of(html))
    assert len(cells_here) == 28
    assert "files" not in cells_here["6.12-baseline-nothing"]


def test_a_long_run_has_the_evidence_of_the_cells_that_are_not_as_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = keep_hostile_run(tmp_path)
    whole = data_of(page(PageContent(run), SMALL, place=tmp_path))
    monkeypatch.setattr(cell_data, "MOST_TOLD", len(run.run.cells) - 1)
    html = page(PageContent(run), SMALL, place=tmp_path)
    short, told = cells_of(data_of(html)), {"calls", "counts", "witness", "console", "files"}
    assert "the evidence of the cells of the run that are as expected, because it has more" in html
    for name, cell in cells_of(whole).items():
        expected = cell.keys() if cell.get("unexpected") else cell.keys() - told
        assert short[name].keys() == expected
    assert {bool(cell.get("unexpected")) for cell in short.values()} == {True, False}


def test_the_difference_has_both_stories_of_what_changed(tmp_path: Path) -> None:
    new, old = keep_hostile_run(tmp_path), keep_old_run(tmp_path)
    html = page(PageContent(new, old), SMALL, place=tmp_path)
    data = data_of(html)
    assert set(data["old"]) == {ISOLATED.id, "6.12-kthread-ptrace_seize"}
    assert data["old"][ISOLATED.id]["verdict"] == "tampered"
    heads = re.findall(r"<summary>([^<]*) <span", html)
    assert heads == ["error now", "better"]
    assert data["oldEvidence"] == "old"


def test_the_difference_names_the_engines_of_both_runs(tmp_path: Path) -> None:
    for engine in ("microvm", "virtme"):
        keep_run(tmp_path, engine, header={"engine": engine})
    old, new = (salvage(name, root=tmp_path).run for name in ("microvm", "virtme"))
    assert ("engine", "microvm", "virtme") in difference(compare(old, new))["facts"]


def test_a_page_without_an_old_run_has_no_difference(html: str) -> None:
    assert 'data-view="difference"' not in html
    assert data_of(html)["old"] == {}


def test_worse_than_the_reference_means_an_axis_more() -> None:
    tampered = result_line(Verdict.TAMPERED, ["integrity", A_STEP])
    disrupted = result_line(Verdict.DISRUPTED, ["availability"])
    assert worse_than(tampered, disrupted) == [A_STEP, "integrity"]
    assert worse_than(disrupted, disrupted) == []
    assert worse_than(disrupted, result_line(Verdict.NOT_APPLICABLE)) == ["availability"]
    assert worse_than(disrupted, result_line(Verdict.ERROR)) is None
    assert worse_than(disrupted, None) is None


def test_a_win_past_every_hook_that_can_refuse_is_marked(tmp_path: Path) -> None:
    cells = cells_of(data_of(write_page(keep_run(tmp_path, "one"), SMALL).read_text()))
    assert cells["6.12-baseline-proc_mem_write"]["unhooked"] == 1
    assert "unhooked" not in cells[ISOLATED.id]
    assert "unhooked" not in cells["6.12-baseline-host_tamper"]


def test_a_race_that_was_won_now_and_then_is_flaky(tmp_path: Path) -> None:
    tries = {"isolated__proc_mem_write": (2, 5), "isolated__ptrace_seize": (5, 5)}
    script = {name: replace(outcome(Verdict.HELD), tries=won) for name, won in tries.items()}
    cells = cells_of(
        data_of(write_page(keep_run(tmp_path, "one", script=script), SMALL).read_text())
    )
    assert [name for name, cell in cells.items() if "flaky" in cell] == [ISOLATED.id]
    assert cells[ISOLATED.id]["tries"] == "2 of 5"


def test_another_verdict_in_another_repetition_is_flaky(tmp_path: Path) -> None:
    new = keep_hostile_run(tmp_path)
    html = page(PageContent(new, unsteady={ISOLATED: "2 x held"}), SMALL, place=tmp_path)
    cells = cells_of(data_of(html))
    assert [name for name, cell in cells.items() if "flaky" in cell] == [ISOLATED.id]
    assert cells[ISOLATED.id]["repeats"] == "2 x held"


def test_the_heat_map_leaves_out_the_classes_that_were_not_run(html: str) -> None:
    assert '<th scope="row">all</th>' in html
    assert "not run" not in html


def test_each_text_is_kept_once() -> None:
    texts = Texts()
    assert texts.places(["a", "", "b", "a"]) == [1, 0, 2, 1]
    assert texts.every == ["", "a", "b"]


def test_the_cost_is_drawn_on_a_scale_with_its_limit(tmp_path: Path) -> None:
    trip = RoundTrip((Pair((200,) * 40, (206,) * 40),) * 6).figures()
    figures = BenchFigures(schema=1, line="6.12", facts=Provenance(), round_trip=trip)
    drawn = cost(figures)
    assert list(drawn["values"]) == ["low", "ratio", "high", "one", "limit"]
    for one, other in pairwise(sorted(drawn["values"], key=drawn["values"].__getitem__)):
        assert 0 < drawn["places"][one] <= drawn["places"][other] < drawn["width"]
    html = page(PageContent(keep_hostile_run(tmp_path), figures=figures), SMALL, place=tmp_path)
    assert "interval 1.030 to 1.030, confidence " in html


def test_the_prices_of_the_defences_have_tables_and_a_picture(tmp_path: Path) -> None:
    prices = Prices(
        rows=[["defence", "round trip"], ["access", "1.000 (0.999 to 1.001)"]],
        trips="Of six pairs.",
        steps=[["added", "lines in all"], ["access", "1"]],
        picture='<svg id="front"></svg>',
    )
    run = keep_hostile_run(tmp_path)
    html = page(PageContent(run, prices=prices), SMALL, place=tmp_path)
    assert '<th scope="row">access</th><td>1.000 (0.999 to 1.001)</td>' in html
    assert '<th scope="row">access</th><td>1</td>' in html
    assert "Of six pairs." in html
    assert '<svg id="front"></svg>' in html
    assert "Cost and time" in html
    bare = replace(prices, trips="", steps=(), picture="")
    html = page(PageContent(run, prices=bare), SMALL, place=tmp_path)
    assert "One defence after the other" not in html


def test_the_page_of_a_run_lies_in_its_folder(tmp_path: Path) -> None:
    folder = keep_run(tmp_path, "one")
    assert write_page(folder, SMALL) == folder / PAGE
