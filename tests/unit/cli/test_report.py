# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness report`: where the page goes, what is said of a damaged run, and the browser."""

from __future__ import annotations

import webbrowser
from typing import TYPE_CHECKING

import pytest
from kept_runs import keep_run
from scripted_lab import outcome

from harness.cli.main import main
from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    keep_run(tmp_path / "results", "old")
    keep_run(tmp_path / "results", "new")
    return tmp_path / "results"


def test_the_latest_run_goes_into_its_folder(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report"]) == 0
    assert capsys.readouterr().out == f"report: {results / 'new' / 'report.html'}\n"
    assert "<h1>Run new</h1>" in (results / "new/report.html").read_text()


def test_another_run_another_place_and_a_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "new", "--against", "old", "--output", "page.html"]) == 0
    assert capsys.readouterr().out == "report: page.html\n"
    html = (tmp_path / "page.html").read_text()
    assert "No cell has changed." in html
    assert '"evidence":"results/new"' in html


def test_the_place_is_checked_before_the_run_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "nowhere", "--output", "absent/page.html"]) == 2
    assert "absent/page.html is in a directory that does not exist" in capsys.readouterr().err


def test_a_repetition_says_which_cells_had_another_verdict(results: Path) -> None:
    lost = {"isolated__proc_mem_write": outcome(Verdict.TAMPERED)}
    keep_run(results / "study", "001", script=lost)
    keep_run(results / "study", "002")
    assert main(["report", "study/latest"]) == 0
    html = (results / "study/002/report.html").read_text()
    assert "<h1>Run study/002</h1>" in html
    assert '"repeats":"1 x tampered, 1 x held"' in html


def test_a_study_is_no_run_and_names_its_latest(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep_run(results / "study", "001")
    assert main(["report", "study"]) == 2
    assert capsys.readouterr().err.endswith("name one of the runs in it, such as study/latest\n")


def test_what_is_not_there_is_said_and_is_no_failure(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = results / "new/results.jsonl"
    path.write_text(path.read_text()[:-9])
    assert main(["report", "new"]) == 0
    said = "lines of results.jsonl that cannot be read: 28"
    assert capsys.readouterr().out.startswith(f"not in the report: {said}\n")
    assert said in (results / "new/report.html").read_text()


@pytest.mark.parametrize("found", [True, False])
def test_it_opens_in_a_browser(
    results: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    found: bool,
) -> None:
    opened: list[str] = []

    def open_it(address: str) -> bool:
        opened.append(address)
        return found

    monkeypatch.setattr(webbrowser, "open", open_it)
    assert main(["report", "--open"]) == 0
    assert opened == [(results / "new/report.html").as_uri()]
    assert ("no browser was found" in capsys.readouterr().out) is not found
