# SPDX-License-Identifier: GPL-2.0-only
"""The cover letter: what a run measured and what it left open, or that nothing was measured."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from command_line import umd_harness
from miniature_kernel import LINE, Miniature, write_files
from result_lines import result_line
from scripted_lab import AXES as LOSSES
from small_series import EMAIL, NAME, become, make_small_series

from harness.export.command import Wanted, export
from harness.export.cost import cost
from harness.export.cover import cover_letter
from harness.export.measured import MeasuredRun
from harness.host.errors import UserError
from harness.host.paths import KERNEL_PATCHES
from harness.kernel.build.plan import series_digest
from harness.kernel.series.commits import Part
from harness.kernel.series.series_file import load_series
from harness.model.cell import Cell
from harness.model.verdict import Effect, Verdict
from harness.results.held_counts import DEFINITION, count_by_class
from harness.results.recorded_run import read_run
from harness.results.records import json_line
from harness.results.result_line import READABLE, SCHEMA, ResultLine
from harness.results.run_header import Provenance
from harness.scenarios.corpus import SHIPPED
from harness.studies.bench import CellTimes
from harness.studies.figures import write_figures
from harness.studies.round_trip import Pair, RoundTrip

if TYPE_CHECKING:
    from pathlib import Path


def line(variant: str, scenario: str, verdict: str, *lost: str, **more: Any) -> ResultLine:
    given = Verdict(verdict)
    axes = lost or [name for name, is_lost in vars(LOSSES[given]).items() if is_lost]
    where = Cell(more.pop("line", LINE), variant, scenario)
    return result_line(given, axes, cell=where, is_control=variant == "baseline", **more)


OPEN = "whoever writes all of physical memory writes the memory of the handler too"

LINES = [
    line("baseline", "proc_mem_write", "tampered"),
    line("baseline", "dev_mem", "tampered"),
    line("baseline", "sched_ext", "disrupted", effect=Effect.AVAILABILITY),
    line("isolated", "proc_mem_write", "held"),
    line("isolated", "dev_mem", "tampered", known_hole=OPEN),
    line(
        "isolated", "sched_ext", "disrupted", effect=Effect.AVAILABILITY, known_hole="a scheduler"
    ),
    line(
        "isolated",
        "ns_last_pid",
        "held",
        effect=Effect.STEP,
        gained=("the next pid",),
        known_hole="the next pid is no secret",
    ),
    line("isolated", "made_up", "error", effect=Effect.AVAILABILITY, ok=False),
    line("isolated", "host_tamper", "tampered"),
    line("kthread", "proc_mem_write", "held"),
    line("kthread", "dev_mem", "n/a"),
    line("seccomp-strict", "proc_mem_write", "tampered"),
    line("baseline", "proc_mem_write", "tampered", line="5.5"),
]

TABLE = """\
                          before       after  kernel thread
integrity                 0 of 2      1 of 2         1 of 1
availability              0 of 1      0 of 1        not run
steps to others          not run  1 of 1 (1)        not run
all attacks               0 of 3  2 of 4 (1)         1 of 1
held, and gained a step        0           1              0
not counted: n/a               0           0              1
not counted: error             0           1              0"""


def write_run(root: Path, lines: list[ResultLine] = LINES, **header: Any) -> Path:
    facts = {"schema": SCHEMA, "finished": "now", "series": "5e71e5", "image": "1a9e" * 16} | header
    text = "".join(map(json_line, lines))
    write_files(root / "run-1", {"run.json": json.dumps(facts), "results.jsonl": text})
    return root / "run-1"


def measured(folder: Path) -> MeasuredRun:
    return MeasuredRun.read(str(folder), root=folder.parent, line=LINE)


def letter(measured: MeasuredRun | None, *, series: str = "5e71e5", figures: str = "") -> str:
    return cover_letter(
        KERNEL_PATCHES, base="On this.", measured=measured, series=series, cost=figures
    )


def test_the_table_counts_what_was_held_of_what_was_run(tmp_path: Path) -> None:
    table = measured(write_run(tmp_path)).table()
    assert [row.split() for row in table.splitlines()] == [
        row.split() for row in TABLE.splitlines()
    ]
    assert len({len(row) for row in table.splitlines()}) == 1


def test_the_letter_and_the_readme_count_alike(tmp_path: Path) -> None:
    folder = write_run(tmp_path, [one for one in LINES if one.line == LINE])
    run = read_run(str(folder), root=tmp_path)
    total = count_by_class(run, SHIPPED, ["baseline", "isolated", "kthread"]).total
    table = measured(folder).table()
    (said,) = (row for row in table.splitlines() if row.startswith("all attacks"))
    assert " ".join(said.split()) == "all attacks 0 of 3 2 of 4 (1) 1 of 1"
    assert [str(count) for count in total.values()] == ["0 of 3", "2 of 4", "1 of 1"]
    assert [total[name].steps for name in total] == [0, 1, 0]


def test_open_holes_stand_below_their_reasons(tmp_path: Path) -> None:
    holes = measured(write_run(tmp_path)).open_holes().split("\n\n")
    assert [hole.splitlines()[-1] for hole in holes] == [
        "  dev_mem: tampered",
        "  sched_ext: disrupted",
        "  ns_last_pid: gained the next pid",
        "  made_up: no conclusion",
    ]
    assert holes[0].startswith("whoever writes all of physical memory")
    assert holes[-1].startswith("no reason is on record\n")
    nothing = measured(write_run(tmp_path, LINES[:4])).open_holes()
    assert nothing == "none"


def test_the_letter_says_what_run_it_shows(tmp_path: Path) -> None:
    text = letter(measured(write_run(tmp_path)), figures="round trip  21 us")
    assert text.splitlines()[0] == "Isolate user mode drivers from root"
    assert "Run run-1, kernel image 1a9e1a9e1a9e: attacks held of attacks run." in text
    assert "Cells that did not come out as expected: 1." in " ".join(text.split())
    assert DEFINITION in " ".join(text.split()), "the words stand beside the numbers"
    assert "another state" not in text
    assert "\nround trip  21 us\n" in text
    assert "not measured" not in text
    assert max(map(len, text.splitlines())) <= 75


@pytest.mark.parametrize("part", [Part.CORE, Part.HARDENING, Part.FILTER])
def test_the_letter_of_a_part_says_that_all_parts_were_measured(tmp_path: Path, part: Part) -> None:
    run = measured(write_run(tmp_path))
    text = cover_letter(KERNEL_PATCHES, part=part, base="On this.", measured=run, series="5e71e5")
    said = "That kernel had all parts of the series together: core, hardening, filter, tests."
    assert said in " ".join(text.split())
    assert said not in " ".join(letter(run).split())
    on_top = " ".join(text.split()).partition("On this.")[0]
    assert ("goes on top of the series core" in on_top) is (part is not Part.CORE)
    assert max(map(len, text.splitlines())) <= 75


def test_a_run_of_another_series_is_said_to_be_one(tmp_path: Path) -> None:
    text = " ".join(letter(measured(write_run(tmp_path)), series="07e4").split())
    assert "built from another state of this series (5e71e5, this one is 07e4)" in text


def test_without_a_run_nothing_is_said_to_be_measured() -> None:
    assert letter(None).count("\nnot measured\n") == 3


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"finished": None}, "run-1 did not get to its end"),
        ({"stopped_by": "SIGINT"}, "run-1 did not get to its end"),
        ({"error": "the disk is full"}, "run-1 did not get to its end"),
        ({"schema": min(READABLE) - 1}, "run-1 was recorded by another version"),
    ],
)
def test_a_run_that_says_too_little_is_refused(
    tmp_path: Path, header: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        measured(write_run(tmp_path, **header))


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not the folder of a run: it has no run\.json"):
        measured(tmp_path)
    (write_run(tmp_path) / "results.jsonl").write_text("nonsense\n")
    with pytest.raises(UserError, match=r"results\.jsonl is damaged in line 1: Expecting value"):
        measured(tmp_path / "run-1")


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


def test_the_cost_is_taken_from_the_file_that_bench_writes(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    trip = RoundTrip((Pair((200,) * 40, (206,) * 40),) * 6)
    cells = [CellTimes("all cells", saved=(0.25,), fresh=(1.5,))]
    facts = Provenance(image="1a9e" * 16, host="x86_64, Linux 6.12", accelerator="kvm")
    write_figures(file, line=LINE, facts=facts, round_trip=trip, cells=cells, cut=None)
    assert cost(file).splitlines() == [
        "kernel image              1a9e1a9e1a9e",
        "host                      x86_64, Linux 6.12, kvm",
        "round trip of 4096 bytes  206.0 us isolated, 200.0 us before",
        "isolated over before      1.030 (1.030 to 1.030 with 95% confidence)",
        "measured on               6 pairs of machines, 40 trips each",
    ]
    file.write_text(file.read_text().replace('"schema": 1', '"schema": 2'))
    with pytest.raises(UserError, match="schema 2, and this version reads 1; name a file that"):
        cost(file)


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

    def cover(output: str, run: str | None = None) -> tuple[str, str]:
        said: list[str] = []
        wanted = Wanted(LINE, tmp_path / output, run=run)
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
        cover("third", "latest")

    (tmp_path / "results/latest").unlink()
    text, said = cover("fourth")
    assert "not measured" in text
    assert "there is no run in results" in said
