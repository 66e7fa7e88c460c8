# SPDX-License-Identifier: GPL-2.0-only
"""`run --resume`: a run that was killed, stopped or damaged ends as if nothing had happened."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from command_line import DEADLINE, latest, start, umd_harness, wait_for_cells
from kept_runs import keep_run
from outcomes import CONTROL, ISOLATED, as_expected, cell
from small_corpus import AS_EXPECTED, CELLS, SMALL

from harness.brought.digests import digests
from harness.judge.cells import all_cells
from harness.results.run_directory import RunDirectory
from harness.run.code import code_digest

if TYPE_CHECKING:
    from pathlib import Path

    from command_here import Here

pytest_plugins = ["command_here"]

FREE = 13
"""How many cells of a run end before it is killed. The two that run then do not end."""


def stopped(where: Path, *, without: Any = (), script: Any = None, **header: Any) -> Path:
    """A run on the scripted lab that a signal has stopped before these cells ran."""
    facts = {
        "arguments": ["run"],
        "selected": [cell.id for cell in all_cells(SMALL)],
        "code": code_digest(),
        "image": "0123abcd",
        "guest_image": "4567",
        "qemu": "none for 6.12",
        "engine": "microvm",
        "stopped_by": "SIGINT",
        "seconds": 1000.0,
        "counts": {"cells": CELLS - len(without), "not_run": len(without)},
    }
    return keep_run(
        where / "results",
        "stopped",
        without=without,
        script=script,
        header={**facts, **header},
    )


def lines_of(where: Path) -> list[dict[str, Any]]:
    """The lines of the latest run, in the order of the cells."""
    return sorted(latest(where)[1], key=lambda line: (line["variant"], line["scenario"]))


def test_a_resumed_run_prints_all_of_its_cells_as_ktap(tmp_path: Path) -> None:
    stopped(tmp_path, without=[ISOLATED])
    done = umd_harness(tmp_path, "run", "--resume", "--format", "ktap")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("KTAP version 1\n")
    assert done.stdout.count("\n  ok ") == CELLS


def test_a_run_that_was_killed_ends_like_one_that_was_not(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    assert umd_harness(whole, "run").returncode == 0
    process = start(killed, free=FREE)
    results, deadline = killed / "results/latest/results.jsonl", time.monotonic() + DEADLINE
    wait_for_cells(killed, FREE + 2)
    while len(list(killed.glob("results/2*/cells/*/outcome.json"))) < FREE:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    busy = umd_harness(killed, "run", "--resume")
    assert busy.returncode == 2
    assert "; wait until it has ended, or stop it\n" in busy.stderr
    assert busy.stderr.startswith("umd-harness: another process still writes to the run 2")
    process.kill()
    process.communicate(timeout=DEADLINE)
    before = results.read_text()
    assert before
    [run] = (killed / "results").glob("2*")

    done = umd_harness(killed, "run", "--resume")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == AS_EXPECTED
    assert [run] == list((killed / "results").glob("2*")), "the same folder"
    assert results.read_text().startswith(before), "what was there is kept as it was"
    assert lines_of(killed) == lines_of(whole)
    header, expected = latest(killed)[0], latest(whole)[0]
    assert header["counts"] == expected["counts"]
    assert (header["exit_status"], header["jobs"], header["error"]) == (0, 2, None)
    assert (len(header["resumed"]), expected["resumed"]) == (1, [])
    ran = (killed / "ran").read_text().split()
    assert len(ran) == CELLS + 2, "only the two cells that were killed ran twice"
    assert {path.name for path in run.iterdir()} == {
        path.name for path in (whole / "results/latest").iterdir()
    }


def test_a_cell_that_waited_for_its_control_is_judged_anew(here: Here) -> None:
    run = stopped(here.folder, without=[CONTROL])
    assert '"verdict": "error"' in (run / "results.jsonl").read_text()
    assert (here.run("--resume", "stopped"), here.error) == (0, "")
    assert "stopped has 27 of these 28 cells\n" in here.out
    assert here.ran() == [CONTROL.id]
    header, lines = here.latest()
    assert (len(lines), header["counts"]["expected"]) == (CELLS, CELLS)
    assert (header["stopped_by"], header["seconds"] > 1000) == (None, True)
    assert here.run("--resume") == 2
    assert "the run stopped is complete: no cell is left; run its failed cells" in here.error


def test_cells_of_a_resumed_run_have_as_many_rounds_as_their_control_took(here: Here) -> None:
    """The control won in its second round before the run was stopped."""
    won = replace(as_expected()[CONTROL], rounds=2)
    left = [ISOLATED, cell("kthread", ISOLATED.scenario)]
    stopped(here.folder, without=left, script={"baseline__proc_mem_write": won})
    assert (here.run("--resume", "stopped"), here.error) == (0, "")
    assert here.ran() == sorted(2 * [one.id for one in left])


def test_an_incomplete_last_line_is_dropped_and_its_cell_kept(here: Here) -> None:
    file = stopped(here.folder, finished=None, counts={}) / "results.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole[:-9])
    assert (here.run("--resume"), here.error) == (0, "")
    assert "results.jsonl: its last line is incomplete, and is dropped\n" in here.out
    assert here.ran() == [], "its evidence was there"
    assert file.read_bytes() == whole


def test_what_is_damaged_runs_again(here: Here) -> None:
    run = stopped(here.folder, without=[CONTROL])
    file = run / "results.jsonl"
    file.write_bytes(file.read_bytes() + b"\0\0\n")
    (run / "cells" / ISOLATED.id / "witness.json").write_text("")
    (run / "cells" / CONTROL.id).mkdir()
    (run / "cells" / CONTROL.id / "vmcore").write_text("half")
    (run / ".run.json.77-0123abcd").write_text("{")
    assert (here.run("--resume"), here.error) == (0, "")
    assert "results.jsonl: damaged lines are dropped: 1\n" in here.out
    assert f"{ISOLATED.id}: its files are damaged, so it runs again\n" in here.out
    assert here.ran() == sorted([CONTROL.id, ISOLATED.id])
    assert not (run / "cells" / CONTROL.id / "vmcore").exists()
    assert not list(run.glob(".*"))
    assert len(here.latest()[1]) == CELLS


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"code": "0"}, "the code of the harness is not that of the run stopped (commit "),
        ({"image": "1"}, "the kernel image is not that of the run stopped: 1 then, 0123abcd now"),
        ({"guest_image": "1"}, "the guest image is not that of the run stopped: 1 then, 4567 now"),
        ({"arguments": ["pytest", "-k", "x"]}, "stopped is not a run of `umd-harness run`; rep"),
        ({"brought": {"mine.py": "0"}}, "mine.py is not the file that the run stopped had; start"),
    ],
    ids=["code", "image", "guest", "pytest", "file"],
)
def test_evidence_of_two_kinds_is_not_mixed(here: Here, header: dict[str, Any], said: str) -> None:
    run = stopped(here.folder, without=[CONTROL], **header)
    before = {path: path.read_bytes() for path in run.glob("*.json*")}
    assert here.run("--resume") == 2
    assert here.error.startswith(f"umd-harness: {said}")
    assert here.error.count("\n") == 1
    assert here.ran() == []
    assert {path: path.read_bytes() for path in run.glob("*.json*")} == before
    assert not list(run.glob(".*"))


def test_a_run_has_its_own_cells_and_files_whatever_is_chosen_later(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from other import *\n")
    (tmp_path / "other.py").write_text(
        "from harness.scenarios import Effect, scenario\n"
        "@scenario(effect=Effect.INTEGRITY, surface='own', answers=())\n"
        "def mine(attacker, handler):\n    '''Do what I think of.'''\n"
    )
    words = ("run", "--scenario", "mine.py", "-k", "ptrace_seize", "--variant", "isolated")
    assert umd_harness(tmp_path, *words).returncode == 0
    header, lines = latest(tmp_path)
    assert set(header["brought"]) == {"mine.py", "other.py"}
    run, cell = (tmp_path / "results/latest").resolve(), "6.12-isolated-mine"
    shutil.rmtree(run / "cells" / cell)
    (run / "run.json").write_text(json.dumps({**header, "finished": None, "counts": {}}))
    (tmp_path / "ran").unlink()
    done = umd_harness(tmp_path, "run", "--resume")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "ran").read_text().split() == [cell]
    assert len(latest(tmp_path)[1]) == len(lines)


def test_the_files_of_a_user_are_known_by_their_content(tmp_path: Path) -> None:
    file = tmp_path / "mine.c"
    file.write_text("int main(void) { return 0; }\n")
    first = digests([file])
    file.write_text("int main(void) { return 1; }\n")
    assert first.keys() == digests([file]).keys()
    assert first != digests([file])


def test_one_process_holds_a_run(tmp_path: Path) -> None:
    run = stopped(tmp_path)
    with (
        RunDirectory(run).held(),
        pytest.raises(Exception, match="another process still writes to the run stopped"),
        RunDirectory(run).held(),
    ):
        pass
    with RunDirectory(run).held():
        assert (run / ".locks").is_dir()
    assert not (run / ".locks").exists()


@pytest.mark.parametrize("changed", ["mine.c", "how.h"])
def test_a_run_does_not_go_on_with_another_program(tmp_path: Path, changed: str) -> None:
    """A scenario file declares the program, so no option names it."""
    (tmp_path / "mine.py").write_text(
        "from pathlib import Path\n"
        "from harness.brought.attack_program import attack_program\n"
        "attack_program(Path('mine.c'))\n"
    )
    (tmp_path / "mine.c").write_text('#include "how.h"\nint main(void) { return HOW; }\n')
    (tmp_path / "how.h").write_text("#define HOW 0\n")
    words = ("run", "--scenario", "mine.py", "--variant", "isolated")
    assert umd_harness(tmp_path, *words).returncode == 0
    header, _ = latest(tmp_path)
    assert set(header["brought"]) == {"mine.py", "mine.c", "how.h"}
    run = (tmp_path / "results/latest").resolve()
    (run / "run.json").write_text(json.dumps({**header, "finished": None, "counts": {}}))
    with (tmp_path / changed).open("a") as file:
        file.write("\n")
    done = umd_harness(tmp_path, "run", "--resume")
    assert done.returncode == 2
    assert done.stderr.startswith(f"umd-harness: {changed} is not the file that the run ")
