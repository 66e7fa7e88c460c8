# SPDX-License-Identifier: GPL-2.0-only
"""The cover letter: what a run measured and what it left open, or that nothing was measured."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from command_line import umd_harness
from miniature_kernel import LINE, Miniature, write_files
from small_series import EMAIL, NAME, become, make_small_series

from harness.export.command import Wanted, export
from harness.export.cover import cover_letter
from harness.export.measured import Measured, cost
from harness.host.errors import UserError
from harness.host.paths import KERNEL_PATCHES
from harness.kernel.build.build import series_digest
from harness.kernel.series.series import load_series
from harness.results.folder import SCHEMA

if TYPE_CHECKING:
    from pathlib import Path


def line(variant: str, scenario: str, verdict: str, **more: Any) -> dict[str, Any]:
    return {
        "line": LINE,
        "variant": variant,
        "scenario": scenario,
        "effect": "integrity",
        "verdict": verdict,
        "gained": [],
        "ok": True,
        **more,
    }


LINES = [
    line("baseline", "proc_mem_write", "tampered"),
    line("baseline", "dev_mem", "tampered"),
    line("baseline", "sched_ext", "disrupted", effect="availability"),
    line("isolated", "proc_mem_write", "held"),
    line("isolated", "dev_mem", "tampered"),
    line("isolated", "sched_ext", "disrupted", effect="availability"),
    line("isolated", "ns_last_pid", "held", effect="step", gained=["the next pid"]),
    line("isolated", "made_up", "error", effect="availability", ok=False),
    line("isolated", "host_tamper", "tampered"),
    line("kthread", "proc_mem_write", "held"),
    line("kthread", "dev_mem", "n/a"),
    line("seccomp-strict", "proc_mem_write", "tampered"),
    line("baseline", "proc_mem_write", "tampered") | {"line": "5.5"},
]

TABLE = """\
                    before     after  kernel thread
integrity           0 of 2    1 of 2         1 of 1
availability        0 of 1    0 of 2       none run
steps to others   none run    0 of 1       none run
all attacks         0 of 3    1 of 5         1 of 1"""


def write_run(root: Path, lines: list[dict[str, Any]] = LINES, **header: Any) -> Path:
    facts = {"schema": SCHEMA, "finished": "now", "series": "5e71e5", "image": "1a9e" * 16} | header
    text = "".join(json.dumps(one) + "\n" for one in lines)
    write_files(root / "run-1", {"run.json": json.dumps(facts), "results.jsonl": text})
    return root / "run-1"


def letter(measured: Measured | None, *, series: str = "5e71e5", figures: str = "") -> str:
    return cover_letter(
        KERNEL_PATCHES, base="On this.", measured=measured, series=series, cost=figures
    )


def test_the_table_counts_what_was_held_of_what_was_run(tmp_path: Path) -> None:
    table = Measured.read(write_run(tmp_path), line=LINE).table()
    assert [row.split() for row in table.splitlines()] == [
        row.split() for row in TABLE.splitlines()
    ]
    assert len({len(row) for row in table.splitlines()}) == 1


def test_open_holes_stand_below_their_reasons(tmp_path: Path) -> None:
    holes = Measured.read(write_run(tmp_path), line=LINE).open_holes().split("\n\n")
    assert [hole.splitlines()[-1] for hole in holes] == [
        "  dev_mem: tampered",
        "  sched_ext: disrupted",
        "  ns_last_pid: gained the next pid",
        "  made_up: no conclusion",
    ]
    assert holes[0].startswith("/dev/mem holds all memory")
    assert holes[-1].startswith("no reason is on record\n")
    nothing = Measured.read(write_run(tmp_path, LINES[:4]), line=LINE).open_holes()
    assert nothing == "none"


def test_the_letter_says_what_run_it_shows(tmp_path: Path) -> None:
    text = letter(Measured.read(write_run(tmp_path), line=LINE), figures="round trip  21 us")
    assert text.splitlines()[0] == "Isolate user mode drivers from root"
    assert "Run run-1, kernel image 1a9e1a9e1a9e: attacks held of attacks run." in text
    assert "Cells that did not come out as expected: 1." in " ".join(text.split())
    assert "another state" not in text
    assert "\nround trip  21 us\n" in text
    assert "not measured" not in text
    assert max(map(len, text.splitlines())) <= 75


def test_a_run_of_another_series_is_said_to_be_one(tmp_path: Path) -> None:
    measured = Measured.read(write_run(tmp_path), line=LINE)
    text = " ".join(letter(measured, series="07e4").split())
    assert "built from another state of this series (5e71e5, this one is 07e4)" in text


def test_without_a_run_nothing_is_said_to_be_measured() -> None:
    assert letter(None).count("\nnot measured\n") == 3


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"finished": None}, "run-1 did not get to its end"),
        ({"stopped_by": "SIGINT"}, "run-1 did not get to its end"),
        ({"error": "the disk is full"}, "run-1 did not get to its end"),
        ({"schema": SCHEMA - 1}, "run-1 was kept by another version"),
    ],
)
def test_a_run_that_says_too_little_is_refused(
    tmp_path: Path, header: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        Measured.read(write_run(tmp_path, **header), line=LINE)


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not the folder of a run: it has no run\.json"):
        Measured.read(tmp_path, line=LINE)
    (write_run(tmp_path) / "results.jsonl").write_text("nonsense\n")
    with pytest.raises(UserError, match="run-1 cannot be read"):
        Measured.read(tmp_path / "run-1", line=LINE)


def test_the_cost_is_what_the_file_says(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    file.write_text('{"round trip": "21.3 us", "start": 12}')
    assert cost(file) == "round trip  21.3 us\nstart       12"
    for wrong in ("nonsense", "[1]", '{"a": {"b": 1}}'):
        file.write_text(wrong)
        with pytest.raises(UserError, match=r"bench\.json"):
            cost(file)
    with pytest.raises(UserError, match=r"missing\.json cannot be read"):
        cost(tmp_path / "missing.json")


def test_a_template_that_is_none_is_told(tmp_path: Path) -> None:
    def made(text: str) -> str:
        (tmp_path / "cover-letter.txt").write_text(text)
        return cover_letter(tmp_path, base="", measured=None, series="")

    assert made("Title\n\n$cost\n") == "Title\n\nnot measured\n"
    for text in ("Title\n\n$costs\n", "Title, for 5 $ each\n"):
        with pytest.raises(UserError, match="cannot be filled in"):
            made(text)
    (tmp_path / "cover-letter.txt").unlink()
    with pytest.raises(UserError, match="cannot be read"):
        cover_letter(tmp_path, base="", measured=None, series="")


@pytest.fixture
def series(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Miniature:
    made = make_small_series(tmp_path / "series")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    become(NAME, EMAIL, tmp_path / "home", monkeypatch)
    return made


def test_the_latest_run_is_taken_if_it_is_whole(series: Miniature, tmp_path: Path) -> None:
    """A real one, of the small corpus; its kernel is made up."""
    assert umd_harness(tmp_path, "run").returncode == 0
    run = (tmp_path / "results/latest").resolve().name

    def cover(output: str, results: Path | None = None) -> tuple[str, str]:
        said: list[str] = []
        wanted = Wanted(LINE, tmp_path / output, results=results)
        where = {"patches": series.patches, "sources": series.sources}
        return export(wanted, say=said.append, **where)[0].read_text(), "\n".join(said)

    text, _ = cover("first")
    assert f"Run {run}, kernel image" in text
    assert "all attacks" in text
    whole = series_digest(load_series(LINE, patches=series.patches))
    assert f"this one is {whole[:12]})" in " ".join(text.split())

    header = tmp_path / "results" / run / "run.json"
    header.write_text(json.dumps(json.loads(header.read_text()) | {"finished": None}))
    text, said = cover("second")
    assert "not measured" in text
    assert f"“not measured”: the run {run} did not get to its end" in said
    with pytest.raises(UserError, match="did not get to its end"):
        cover("third", results=tmp_path / "results/latest")

    (tmp_path / "results/latest").unlink()
    text, said = cover("fourth")
    assert "not measured" in text
    assert "there is no run in results" in said
