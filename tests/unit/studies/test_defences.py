# SPDX-License-Identifier: GPL-2.0-only
"""What each defence buys: which cells are run without it, and how what they gave is shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING
from unittest.mock import MagicMock, Mock

import pytest
from scripted_lab import SmallLab, outcome
from small_corpus import SMALL

from harness.cli.main import main
from harness.host.errors import UserError
from harness.host.paths import KERNEL_PATCHES
from harness.judge.parity import SUBJECT
from harness.model.cell import Cell, Outcome
from harness.model.verdict import Verdict
from harness.results.defence_summary import RoundTrips, read_defences
from harness.studies.defence_trips import ALL, MACHINES, TRIPS, what_each_costs
from harness.studies.defences import (
    DEFENCES,
    PARTS,
    Bought,
    held_cells,
    markdown,
    what_each_buys,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

HELD = ["ptrace_seize", "proc_mem_write", "process_vm_readv", "escape_openat"]


@dataclass(frozen=True)
class OpenedLab:
    """What the command needs of a lab that runs nothing."""

    line: str = "6.12"
    image: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(key="abcd"))
    without: tuple[str, ...] = ()


def buy(script: Mapping[str, Outcome | Exception], *defences: str) -> list[Bought]:
    """What is bought where only `access` is missed, by what the script says."""
    missed = SmallLab({(SUBJECT, name): what for name, what in script.items()})
    return what_each_buys(
        lambda defence: missed if defence == "access" else SmallLab(),
        SMALL,
        held_cells(SMALL, "6.12"),
        defences=defences,
        jobs=1,
        progress=lambda _: None,
    )


@pytest.fixture
def one_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.cli.defences.chosen_kernel", Mock())
    monkeypatch.setattr("harness.lab.lab.Lab.open", Mock(return_value=OpenedLab()))


def test_what_is_lost_without_a_defence_is_what_it_buys() -> None:
    step = replace(outcome(Verdict.HELD), gained=("an address",))
    lost = {"proc_mem_write": outcome(Verdict.TAMPERED), "ptrace_seize": step}
    access, signals = buy(lost, "access", "signals")
    assert access.lost == {"ptrace_seize": "a step", "proc_mem_write": "tampered"}
    assert (signals.lost, access.broken, signals.broken) == ({}, {}, {})


def test_what_gave_no_conclusion_is_not_taken_for_held() -> None:
    broken = {"proc_mem_write": outcome(Verdict.ERROR, "no"), "nothing": outcome(Verdict.DISRUPTED)}
    [access] = buy(broken, "access")
    assert access.lost == {}
    assert access.broken == {"nothing": "disrupted, not held: ", "proc_mem_write": "no"}


def test_what_stops_every_cell_ends_it() -> None:
    with pytest.raises(UserError, match="no room"):
        buy({"ptrace_seize": UserError("no room", hint="free some")}, "access")


def test_only_what_is_held_and_could_be_lost_is_run() -> None:
    assert [cell.scenario for cell in held_cells(SMALL, "6.12")] == HELD


def test_the_table_has_each_defence_and_what_none_holds_alone() -> None:
    bought = [Bought("access", {"proc_mem_write": "tampered"}), Bought("oom")]
    text = markdown(bought, [Cell("6.12", SUBJECT, name) for name in HELD])
    assert (
        "| `access` | access to its memory, files and registers | `proc_mem_write` (tampered) |"
        in text
    )
    assert "| `oom` | the OOM killer | none |" in text
    assert text.endswith(
        "No single defence holds these 3: `ptrace_seize`, `process_vm_readv`, `escape_openat`"
    )


def test_the_names_are_the_kernels() -> None:
    source = (KERNEL_PATCHES / "overlay/kernel/umd_witness/defences.c").read_text()
    assert re.findall(r'\[UMD_\w+\] = "(\w+)"', source) == [*PARTS, *DEFENCES]


def test_the_trips_of_two_machines_with_all_defences_and_of_each_without_are_counted() -> None:
    told: list[str] = []
    slow, quick = SmallLab(isolated_us=220), SmallLab(isolated_us=200)
    found = what_each_costs(slow, {"access": quick, "oom": slow}, progress=told.append)
    assert list(found) == [*[(ALL, 220)] * MACHINES, ("access", 200), ("oom", 220)]
    assert (slow.counted, quick.counted) == (MACHINES + 1, 1)
    assert "all defences" in told[0]
    assert "without oom" in told[-1]
    again = what_each_costs(slow, {"oom": slow}, known=MACHINES, progress=told.append)
    assert list(again) == [("oom", 220)]


@pytest.mark.usefixtures("one_kernel")
def test_round_trips_are_kept_and_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[int, list[str]]] = []

    def costs(
        _lab: object, without: Mapping[str, object], *, known: int, **_: object
    ) -> Iterator[tuple[str, int]]:
        asked.append((known, list(without)))
        yield from [(ALL, 205), (ALL, 207)][known:]
        for name in without:
            if name == "sched" and len(asked) == 1:
                raise UserError("no room", hint="free some")
            yield name, 200

    monkeypatch.setattr("harness.studies.defence_trips.what_each_costs", costs)
    argv = ["defences", "--round-trips", "--output", str(tmp_path / "kept.json")]
    argv += ["--results", str(tmp_path / "results")]
    assert main(argv) == 2
    assert not (tmp_path / "kept.json").exists()
    assert main(argv) == 0
    assert asked == [(0, list(DEFENCES)), (2, list(DEFENCES)[2:])]
    out = capsys.readouterr().out
    assert "access         200 instructions without, +3.0% with" in out
    assert "2 machines with all defences differ by up to 1.0%" in out
    kept = read_defences(tmp_path / "kept.json").round_trips
    without = dict.fromkeys(DEFENCES, 200)
    assert kept == RoundTrips(
        line="6.12", image="abcd", trips=TRIPS, whole=(205, 207), without=without
    )


def test_two_studies_at_once_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["defences", "--round-trips", "--enough", "all"]) == 2
    assert "--enough and --round-trips cannot be combined" in capsys.readouterr().err


def test_words_of_a_guest_are_escaped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bought = [Bought("access", broken={"nothing": "gone\x1b[2J\n::error::no"})]
    monkeypatch.setattr("harness.cli.defences.chosen_kernel", Mock())
    monkeypatch.setattr("harness.lab.lab.Lab.open", MagicMock())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("harness.studies.defences.what_each_buys", lambda *_, **__: bought)
    assert main(["defences"]) == 2
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == r"without access: nothing: error: gone\x1b[2J\n:\x3aerror:\x3ano"


def test_an_unknown_defence_is_named_with_those_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["defences", "--without", "acess"]) == 2
    assert "there is no defence 'acess'; did you mean access?" in capsys.readouterr().err
