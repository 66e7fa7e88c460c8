# SPDX-License-Identifier: GPL-2.0-only
"""`bench --matrix` on a lab without machines: what it runs, and what it makes of the times."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from outcomes import ISOLATED, cell
from scripted_lab import ScriptedLab, outcome
from small_corpus import SMALL

from harness.cli.main import main
from harness.host.errors import UserError
from harness.host.memory import peak_memory
from harness.model.verdict import Verdict
from harness.run import provenance
from harness.run.provenance import PreparedLab
from harness.scenarios import REFERENCES
from harness.studies.cut_short import CutShort, kept
from harness.studies.matrix_cost import (
    MatrixBench,
    MatrixCost,
    Measured,
    growth_of,
    job_numbers,
    repeated,
    shards_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DUE = [ISOLATED, cell("isolated", "dev_mem")]
TIMES = 3


def bench(folder: Path, lab: ScriptedLab, told: list[str]) -> MatrixBench:
    cells = repeated(SMALL, DUE, TIMES)
    lab.corpus = cells.corpus
    folder.mkdir()
    return MatrixBench(lab, cells, folder, told.append, [1, 2])


def test_a_cell_is_repeated_under_further_names_with_all_that_it_rests_on() -> None:
    cells = repeated(SMALL, DUE, TIMES)
    references, *rounds = cells.rounds
    assert {one.scenario for one in references} == set(REFERENCES)
    assert len(cells.every) == len(set(cells.every)) == len(references) + TIMES * len(rounds[0])
    assert [one.scenario for one in rounds[2]] == [f"{one.scenario}_3" for one in rounds[0]]
    again = [cells.corpus.scenario(one).attack for one in rounds[2]]
    assert again == [SMALL.scenario(one).attack for one in rounds[0]]
    assert cell("baseline", "proc_mem_write_2") in rounds[1], "the control as well"


def test_each_number_of_machines_runs_each_cell_and_then_all_run_several_times(
    tmp_path: Path,
) -> None:
    lab, told = ScriptedLab(), list[str]()
    study = bench(tmp_path / "runs", lab, told)
    found = study.measure()
    once = len(study.cells.first)
    for run in ("saved states", "1 at a time", "2 at a time"):
        assert sum(f" of {once}, {run}" in line for line in told) == once
    assert [(one.jobs, one.cells) for one in found.jobs] == [(1, once), (2, once)]
    assert all(one.memory_mib > 10 and one.disk_kib > 4 for one in found.jobs)
    every = len(study.cells.every)
    assert found.growth and found.growth.ended[-1] == every
    references = len(study.cells.rounds[0])
    # The first time is for the saved states. Each shard has its references.
    assert len(lab.ran) == 3 * once + 2 * every + references
    assert found.shards and len(found.shards.shard_seconds) == 2
    assert told[0] == f"matrix: cell 1 of {once}, saved states"
    assert any(one.endswith(" left in all") for one in told)
    assert study.left == 0, "the time that is left counted all that ran"


def took(*seconds: float, cpu: float = 1.0) -> Measured:
    busy = tuple(cpu * number for number, _ in enumerate(seconds, start=1))
    return Measured(2, 0, seconds[-1], busy[-1], 1024, 1024, seconds, busy, {})


def test_the_line_through_the_times() -> None:
    even = growth_of(took(1.0, 2.0, 3.0, 4.0, 5.0), [1, 2, 2])
    assert (even.ended, even.wall.seconds) == ((1, 3, 5), (1.0, 3.0, 5.0))
    line = even.wall
    assert (line.seconds_a_cell, line.determination, line.last_over_first) == (1.0, 1.0, 1.0)
    slower = growth_of(took(1.0, 2.0, 3.0, 5.0, 9.0, cpu=0.5), [1, 2, 2])
    assert slower.wall.last_over_first == 3.0
    assert slower.wall.determination < 0.95
    assert (slower.cpu.seconds_a_cell, slower.cpu.determination) == (0.5, 1.0)
    wall, cpu = MatrixCost((), growth=slower).lines()
    assert "9.0 s of wall time" in wall
    assert "the last repetition took 3.00 of the first" in wall
    assert "2.5 s of a processor, 0.500 s for each further cell, R2 1.0000" in cpu


def test_the_efficiency_is_that_of_the_longer_shard() -> None:
    shards = shards_of(took(4.0, 8.0, cpu=2.0), [took(5.0, cpu=2.0), took(4.0, cpu=1.0)])
    assert (shards.efficiency, shards.cpu_efficiency) == (0.8, 1.0)
    wall, cpu = MatrixCost((), shards=shards).lines()
    assert wall == "2 shards: 5.0 and 4.0 s of wall time, in one run 8.0 s: efficiency 0.80"
    assert cpu.endswith("in one run 4.0 s: efficiency 1.00")


def test_cells_that_end_in_an_error_are_counted(tmp_path: Path) -> None:
    lab = ScriptedLab({("isolated", "dev_mem"): outcome(Verdict.ERROR, "gone")})
    found = bench(tmp_path / "runs", lab, []).measure()
    assert [one.errors for one in found.jobs] == [1, 1]
    assert ", 1 error, " in found.lines()[0]


def test_the_numbers_of_machines_before_a_run_that_cannot_be_written_are_kept(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "runs"
    study = bench(folder, ScriptedLab(), [])
    (folder / "2 at a time").touch()
    found, cut = kept(study.measure)
    assert [one.jobs for one in found.jobs] == [1]
    (line,) = found.lines()
    assert line.startswith("1 at a time: ")
    assert "Not a directory; the figures above are those of 1 of 2 numbers of machines" in str(cut)
    assert "machines, without growth and shards; " in str(cut)
    (folder / "1 at a time").rename(folder / "earlier")
    (folder / "1 at a time").touch()
    with pytest.raises(UserError) as error:
        study.measure()
    assert not isinstance(error.value, CutShort)


@pytest.mark.parametrize(
    ("most", "numbers"), [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (8, [1, 2, 4, 8])]
)
def test_the_numbers_of_machines_are_powers_of_two_and_the_most(
    most: int, numbers: list[int]
) -> None:
    assert job_numbers(most) == numbers


def test_the_memory_of_children_counts() -> None:
    import subprocess
    import sys

    held = "x = bytearray(b'1' * (64 << 20)); print(flush=True); input()"
    with peak_memory() as alone:
        pass
    words = [sys.executable, "-c", held]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        with peak_memory() as both:
            pass
        child.kill()
    assert both.kib > alone.kib + (60 << 10)


def test_the_figures_are_printed_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def prepare(*_: object, corpus: Any, **__: object) -> Iterator[PreparedLab]:
        yield PreparedLab(ScriptedLab(corpus=corpus))

    monkeypatch.setattr(provenance, "prepare_lab", prepare)
    monkeypatch.setattr("harness.scenarios.corpus.SHIPPED", SMALL)
    output = tmp_path / "figures.json"
    words = ["bench", "--matrix", "-k", "proc_mem_write", "--jobs", "2"]
    words += ["--results", str(tmp_path / "results"), "--output", str(output)]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "1 at a time: 9 cells, 0 errors, " in printed
    assert "2 shards: " in printed
    kept = json.loads(output.read_text())
    assert [one["jobs"] for one in kept["jobs"]] == [1, 2]
    assert not list((tmp_path / "results").iterdir())
