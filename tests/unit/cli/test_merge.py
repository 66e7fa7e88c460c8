# SPDX-License-Identifier: GPL-2.0-only
"""`run --shard` and `umd-harness merge`: the parts of a run, and the run that they make."""

from __future__ import annotations

import gc
import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from outcomes import CONTROL, ISOLATED
from run_schemas import validate_run
from scripted_lab import outcome
from small_corpus import AS_EXPECTED, CELLS

from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from command_here import Here

pytest_plugins = ["command_here"]

LOST = {("isolated", "proc_mem_write"): outcome(Verdict.TAMPERED, "chain")}
FEW = ("--variant", "isolated", "-k", "ptrace or mem_write or dev_mem")


def shards(here: Here, of: int, *words: str, **run: Any) -> list[Path]:
    found = []
    for number in range(1, of + 1):
        before = set(here.folder.glob("results/2*"))
        here.run("--shard", f"{number}/{of}", *words, **run)
        found += list(set(here.folder.glob("results/2*")) - before)
    return found


def cells_of(run: Path) -> dict[str, dict[str, Any]]:
    lines = map(json.loads, (run / "results.jsonl").read_text().splitlines())
    return {f"{one['line']}-{one['variant']}-{one['scenario']}": one for one in lines}


def header_of(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "run.json").read_text())
    return found


def change(run: Path, **facts: Any) -> None:
    (run / "run.json").write_text(json.dumps(header_of(run) | facts))


def merge(here: Here, *runs: Path | str) -> int:
    return here.command("merge", *map(str, runs))


def test_the_shards_merged_are_the_plain_run(here: Here) -> None:
    assert here.run(script=LOST) == 1
    plain = (here.folder / "results/latest").resolve()
    parts = shards(here, 3, script=LOST)
    sizes = [len(cells_of(part)) for part in parts]
    assert max(sizes) < CELLS < sum(sizes), "each part has its own references"
    assert merge(here, *parts) == 1
    merged = (here.folder / "results/latest").resolve()
    assert cells_of(merged) == cells_of(plain)
    one, other = header_of(merged), header_of(plain)
    differ = {"started", "finished", "seconds", "jobs", "arguments", "merged", "selected"}
    assert {name for name in one if one[name] != other[name]} <= differ
    assert sorted(one["selected"]) == sorted(other["selected"])
    assert one["merged"] == [part.name for part in parts]
    assert validate_run(merged) == CELLS
    assert {path.name for path in merged.iterdir()} == {path.name for path in plain.iterdir()}
    for folder in plain.glob("cells/*"):
        names = {path.name for path in folder.iterdir()}
        assert {path.name for path in (merged / "cells" / folder.name).iterdir()} == names
    for report in ("junit.xml", "matrix.txt"):
        texts = [(run / report).read_text().splitlines() for run in (merged, plain)]
        differing = [pair for pair in zip(*texts, strict=True) if pair[0] != pair[1]]
        assert len(differing) <= 2, "the folder and the seconds"
    assert here.command("compare", plain.name, "latest") == 0
    assert merge(here, *parts, "--output", "whole") == 1
    assert len(cells_of(here.folder / "whole")) == CELLS
    assert (here.folder / "results/latest").resolve() == merged


def test_a_shard_without_an_attack_runs_nothing(here: Here) -> None:
    parts = shards(here, 5, *FEW)
    assert "shard 5/5 has none of the 3 chosen cells: nothing is run\n" in here.out
    assert len(parts) == 3
    assert merge(here, *parts) == 0


def test_failed_and_resumed_parts_stay_what_they_are(here: Here) -> None:
    parts = shards(here, 2, script=LOST)
    [lost] = [part for part in parts if header_of(part)["exit_status"] == 1]
    assert here.run("--failed", lost.name) == 0
    header = header_of(here.folder / "results/latest")
    assert (header["selected"], header["shard"]) == ([ISOLATED.id], None)
    assert "--shard" not in header["arguments"]
    shutil.rmtree(lost / "cells" / CONTROL.id)
    change(lost, finished=None, counts={}, stopped_by="SIGINT")
    assert merge(here, *parts) == 2
    assert here.error == (
        f"umd-harness: the run {lost.name} is not whole: stopped by SIGINT; go on with it: "
        f"umd-harness run --resume {lost.name}; then merge again\n"
    )
    assert here.run("--resume", lost.name, script=LOST) == 1
    assert merge(here, *parts) == 1


def test_a_reference_that_failed_in_one_part_has_failed(here: Here) -> None:
    one, _two = shards(here, 2, *FEW)
    broken = {("isolated", "nothing"): outcome(Verdict.ERROR, "gone")}
    here.run("--shard", "2/2", *FEW, script=broken)
    assert merge(here, one, "latest") == 2
    lines = cells_of(here.folder / "results/latest")
    assert lines["6.12-isolated-nothing"]["detail"] == "gone"
    assert {line["verdict"] for line in lines.values()} >= {"error", "held"}


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "image": ({"image": "4567"}, "the kernel image of {two} is not that of {one}: 4567 and 0123"),
    "line": ({"line": "6.1"}, "the kernel line of {two} is not that of {one}: 6.1 and 6.12; run"),
    "code": ({"code": "1"}, "the code of the harness of {two} is not that of {one}: 1 and "),
    "plan": (
        {"shard": {"number": 2, "of": 2, "filled": [1, 2], "plan": "x"}},
        "{one}, shard 1/2, and {two}, shard 2/2, were divided otherwise; run all shards with",
    ),
    "no shard": ({"shard": None}, "of {one} and {two}, one is a shard and the other is none; name"),
    "lacking": (
        {"counts": {"not_run": 1}},
        "the run {two} is not whole: cells that were not run: 1; go",
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_parts_of_different_runs_are_refused(here: Here, case: str) -> None:
    one, two = shards(here, 2, *FEW)
    changed, said = CHANGES[case]
    change(two, **changed)
    before = set(here.folder.glob("results/*"))
    assert merge(here, one, two) == 2
    assert said.format(one=one.name, two=two.name) in here.error
    assert set(here.folder.glob("results/*")) == before


def test_gaps_and_doubles_are_refused(here: Here) -> None:
    one, two = shards(here, 2, *FEW)
    assert merge(here, two) == 2
    assert "no run of shard 1/2 is named; name all shards that ran" in here.error
    assert merge(here, one, two, one) == 2
    assert f" is in both {one.name} and {one.name}; name each run once" in here.error


def test_runs_that_are_no_shards_are_merged_if_they_share_no_cell(here: Here) -> None:
    here.run("-k", "dev_mem")
    one = (here.folder / "results/latest").resolve()
    here.run("-k", "not dev_mem")
    assert merge(here, one, "latest") == 0
    assert here.out.endswith(AS_EXPECTED + "\n")
    assert merge(here, one, "latest") == 2
    assert " is in both " in here.error


def evidence_of(runs: list[Path]) -> dict[str, int]:
    """The files of evidence: an inode number for each."""
    return {
        f"{path.parent.name}/{path.name}": path.stat().st_ino
        for run in runs
        for path in run.glob("cells/*/*")
    }


def test_moved_evidence_is_all_there_and_the_parts_are_removed(here: Here) -> None:
    parts = shards(here, 2, script=LOST)
    kept = evidence_of(parts[::-1])  # a reference cell of both parts is that of the first
    assert merge(here, *parts, "--move") == 1
    merged = (here.folder / "results/latest").resolve()
    assert evidence_of([merged]) == kept
    assert [path for path in parts if path.exists()] == []
    assert validate_run(merged) == CELLS
    assert here.command("show", "latest", ISOLATED.id) == 0
    assert "tampered: chain" in here.out


def test_evidence_is_shared_unless_it_is_to_be_moved(here: Here) -> None:
    parts = shards(here, 2)
    kept = evidence_of(parts[::-1])
    assert merge(here, *parts) == 0
    assert evidence_of([here.folder / "results/latest"]) == kept
    assert evidence_of(parts[::-1]) == kept


def test_the_collector_of_garbage_is_on_again_after_a_merge_that_is_refused(here: Here) -> None:
    one, _two = shards(here, 2, *FEW)
    assert merge(here, one, one) == 2
    assert gc.isenabled()


def test_evidence_that_is_gone_is_left_out(here: Here) -> None:
    parts = shards(here, 2, *FEW)
    shutil.rmtree(parts[0] / "cells")
    shutil.rmtree(next(parts[1].glob("cells/6.12-isolated-p*")))
    names = evidence_of(parts[1:])
    assert merge(here, *parts, "--output", "whole") == 0
    kept = evidence_of([here.folder / "whole"])
    assert kept
    assert kept.items() <= names.items()


def test_a_link_in_the_evidence_stays_a_link(here: Here) -> None:
    parts = shards(here, 2, *FEW)
    folder = min(parts[0].glob("cells/*"))
    (folder / "vmcore").symlink_to("/gone")
    assert merge(here, *parts, "--output", "whole") == 0
    assert (here.folder / "whole/cells" / folder.name / "vmcore").readlink() == Path("/gone")


def test_latest_is_removed_with_its_run(here: Here) -> None:
    parts = shards(here, 2, *FEW)
    assert merge(here, *parts, "--move", "--output", "whole") == 0
    assert list((here.folder / "results").iterdir()) == []
    assert here.command("show", "whole", ISOLATED.id) == 0


def test_evidence_is_moved_back_if_it_cannot_all_be_moved(here: Here) -> None:
    parts = shards(here, 2, *FEW)
    kept = evidence_of(parts)
    last = max(parts[1].glob("cells/6.12-isolated-p*"))
    in_the_way = here.folder / "whole/cells" / last.name / "file"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.touch()
    assert merge(here, *parts, "--move", "--output", "whole") == 2
    assert "Directory not empty" in here.error
    assert evidence_of(parts) == kept
    assert evidence_of([here.folder / "whole"]).keys() == {f"{last.name}/file"}
    in_the_way.unlink()
    assert merge(here, *parts, "--move", "--output", "whole") == 0


def test_a_merge_that_was_killed_is_gone_on_with(here: Here) -> None:
    parts = shards(here, 2, *FEW)
    kept = evidence_of(parts[::-1])
    folder = here.folder / "whole/cells"
    folder.mkdir(parents=True)
    moved = next(parts[0].glob("cells/6.12-baseline-*"))
    moved.rename(folder / moved.name)
    assert merge(here, *parts, "--output", "whole") == 2
    assert "whole is there already" in here.error
    assert merge(here, *parts, "--move", "--output", "whole") == 0
    assert evidence_of([here.folder / "whole"]) == kept
    assert merge(here, "whole", "--move", "--output", "whole") == 2
    assert "whole is there already" in here.error


def test_a_run_is_not_moved_into_a_folder_that_is_removed(here: Here) -> None:
    parts = shards(here, 2, *FEW)
    assert merge(here, *parts, "--move", "--output", str(parts[0] / "whole")) == 2
    assert f"whole is in the run {parts[0].name}, which --move removes; name" in here.error
    assert evidence_of(parts)


def test_moved_evidence_is_copied_to_another_disk(here: Here) -> None:
    parts = shards(here, 2, *FEW)
    names = evidence_of(parts).keys()
    with TemporaryDirectory(dir="/dev/shm") as disk:
        assert Path(disk).stat().st_dev != here.folder.stat().st_dev
        assert merge(here, *parts, "--move", "--output", f"{disk}/whole") == 0
        assert evidence_of([Path(disk) / "whole"]).keys() == names
    assert [path for path in parts if path.exists()] == []
