# SPDX-License-Identifier: GPL-2.0-only
"""The smallest sets of defences: found by what attacks give, kept on disk, and confirmed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest
from scripted_lab import outcome
from small_corpus import SMALL

from harness.cli.defences import _GOALS
from harness.cli.main import main
from harness.findings.price_table import GOALS as SAID
from harness.host.errors import UserError
from harness.model.verdict import Verdict
from harness.results.defence_summary import read_defences
from harness.results.run_directory import RunDirectory
from harness.studies.defence_sets import ALL, DefenceSets, name_of
from harness.studies.enough import GOALS, Found, Search, in_order, summed_up, told

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from harness.model.cell import Cell, Outcome

Holders = dict[str, tuple[frozenset[str], ...]]

HELD = outcome(Verdict.HELD)
REFERENCES = {"nothing": HELD, "host_tamper": outcome(Verdict.TAMPERED)}


def each_of(*names: str) -> tuple[frozenset[str], ...]:
    """Each of these defences holds the attack by itself."""
    return tuple(frozenset({name}) for name in names)


HOLDERS: Holders = {
    "ptrace_seize": each_of("access"),
    "proc_mem_write": each_of("access", "locked"),
    "process_vm_readv": each_of("oom"),
    "escape_openat": each_of("seccomp", "framing"),
    "dev_mem": (),
}
"""By attack: the sets of defences that hold it. No defence holds `dev_mem`, nor does a thread."""


@dataclass
class HeldLab:
    """Holds an attack where the defences that are on contain one of its sets."""

    holders: Holders
    off: frozenset[str] = frozenset()
    ran: list[tuple[str, str]] = field(default_factory=list)
    says: dict[str, Outcome] = field(default_factory=dict)

    def run(self, cell: Cell, *, fresh: bool = False) -> Outcome:  # noqa: ARG002
        on = ALL - self.off
        what = name_of(on) if cell.variant == "isolated" else cell.variant
        self.ran.append((what, cell.scenario))
        if (said := self.says.get(f"{what} {cell.scenario}")) is not None:
            return said
        if cell.scenario in REFERENCES:
            return REFERENCES[cell.scenario]
        if cell.variant == "kthread":
            return outcome(Verdict.TAMPERED) if cell.scenario == "dev_mem" else HELD
        held = any(one <= on for one in self.holders[cell.scenario])
        if cell.scenario == "process_vm_readv":
            return HELD if held else outcome(Verdict.LEAKED)
        return HELD if held else outcome(Verdict.TAMPERED)

    def without(self, off: Iterable[str]) -> HeldLab:
        return replace(self, off=frozenset(off))


def sets(folder: Path, lab: HeldLab) -> DefenceSets:
    return DefenceSets(SMALL, "6.12", lab.without, folder, jobs=1, progress=lambda _: None)


def search(folder: Path, lab: HeldLab, goal: str = "integrity") -> Found:
    folder.mkdir(exist_ok=True)
    return Search(sets(folder, lab), goal, say=lambda _: None).run()


def names(found: Found) -> list[list[str]]:
    return [in_order(one) for one in found.sets]


def test_the_smallest_sets_are_found_and_no_others(tmp_path: Path) -> None:
    found = search(tmp_path, HeldLab(HOLDERS))
    assert sorted(names(found)) == [["access", "framing"], ["access", "seccomp"]]
    assert found.is_all
    assert found.confirmed
    assert found.decisive == ["ptrace_seize", "proc_mem_write", "escape_openat"]
    assert found.needs == {
        "access": "ptrace_seize",
        next(one for one in names(found)[0] if one != "access"): "escape_openat",
    }


def test_a_goal_has_its_own_attacks(tmp_path: Path) -> None:
    found = search(tmp_path, HeldLab(HOLDERS), "all")
    assert all("oom" in one for one in found.sets)
    assert search(tmp_path, HeldLab(HOLDERS), "availability").sets == [frozenset()]


def test_two_defences_that_hold_only_together_are_both_in_the_set(tmp_path: Path) -> None:
    both = HOLDERS | {"escape_openat": (frozenset({"seccomp", "framing"}),)}
    found = search(tmp_path, HeldLab(both))
    assert names(found) == [["access", "framing", "seccomp"]]
    assert found.is_all


def test_a_larger_set_is_found_where_it_is_minimal(tmp_path: Path) -> None:
    pair = frozenset({"caps", "bpf"})
    found = search(tmp_path, HeldLab(HOLDERS | {"escape_openat": (pair, frozenset({"seccomp"}))}))
    assert names(found) == [["access", "seccomp"], ["access", "bpf", "caps"]]


def test_nothing_is_run_twice(tmp_path: Path) -> None:
    first = HeldLab(HOLDERS)
    search(tmp_path, first)
    assert len(first.ran) == len(set(first.ran))
    again = HeldLab(HOLDERS)
    assert search(tmp_path, again).confirmed
    assert not set(again.ran) & set(first.ran)  # a cell may begin before the search knows enough


def test_a_search_goes_on_where_it_stopped(tmp_path: Path) -> None:
    broken = HeldLab(HOLDERS, says={"without-oom nothing": outcome(Verdict.DISRUPTED, "late")})
    with pytest.raises(UserError, match="the reference cell nothing gave disrupted, not held"):
        search(tmp_path, broken)
    assert sum(ran == ("without-oom", "nothing") for ran in broken.ran) == 3
    for path in tmp_path.glob("without-oom/cells/*/*"):
        path.unlink()
    rest = HeldLab(HOLDERS)
    assert search(tmp_path, rest).confirmed
    assert not set(rest.ran) & {one for one in broken.ran if one[0] != "without-oom"}


def test_an_attack_without_a_conclusion_is_not_held(tmp_path: Path) -> None:
    lost = HeldLab(
        HOLDERS, says={"only-access-framing escape_openat": outcome(Verdict.ERROR, "no")}
    )
    lost.says["only-access-seccomp escape_openat"] = outcome(Verdict.ERROR, "no")
    mine = sets(tmp_path, lost)
    found = Search(mine, "integrity", say=lambda _: None).run()
    assert not {frozenset({"access", "framing"}), frozenset({"access", "seccomp"})} & {*found.sets}
    assert mine.broken["only-access-framing: escape_openat"] == "no"


def test_an_error_is_run_again(tmp_path: Path) -> None:
    search(tmp_path, HeldLab(HOLDERS, says={"every dev_mem": outcome(Verdict.ERROR, "no")}))
    again = HeldLab(HOLDERS)
    search(tmp_path, again)
    assert ("every", "dev_mem") in again.ran


def test_an_attack_that_a_defence_opens_is_not_confirmed(tmp_path: Path) -> None:
    worse = HeldLab(HOLDERS)
    for name in ("only-access-framing", "only-access-seccomp"):
        worse.says[f"{name} process_vm_readv"] = outcome(Verdict.TAMPERED)
    found = search(tmp_path, worse)
    assert found.beyond == ["process_vm_readv"]
    assert not found.confirmed
    assert any(line.startswith("NOT CONFIRMED: process_vm_readv") for line in told(found))


def test_a_defence_that_is_not_needed_after_all_is_dropped(tmp_path: Path) -> None:
    odd = HeldLab(HOLDERS, says={"without-oom ptrace_seize": outcome(Verdict.TAMPERED)})
    found = search(tmp_path, odd)
    assert "oom" not in found.sets[0]
    assert not found.is_all


def test_what_was_found_is_summed_up(tmp_path: Path) -> None:
    mine = sets(tmp_path, HeldLab(HOLDERS))
    found = Search(mine, "integrity", say=lambda _: None).run()
    kept = summed_up(found, mine, image="abcd")
    assert kept.sets == tuple(tuple(one) for one in names(found))
    assert (kept.decisive, kept.confirmed, kept.is_all) == (3, True, True)
    assert kept.allowed == ("dev_mem",)
    assert kept.cells == len(list(tmp_path.glob("*/cells/*/outcome.json")))
    said = f"enough, 2 of {len(ALL)} defences: {' '.join(names(found)[0])}"
    assert next(told(found)) == said


def test_the_likely_attacks_come_first(tmp_path: Path) -> None:
    lab = HeldLab(HOLDERS)
    likely = {"access": ["ptrace_seize"], "seccomp": ["escape_openat"]}
    Search(sets(tmp_path, lab), "integrity", likely=likely, say=lambda _: None).run()
    ran = [name for what, name in lab.ran if what == "without-seccomp"]
    assert ran[len(REFERENCES)] == "escape_openat"


def test_the_name_of_a_set_tells_it(tmp_path: Path) -> None:
    assert (name_of(ALL), name_of(())) == ("every", "none")
    assert name_of({"oom", "access"}) == "only-access-oom"
    assert name_of(ALL - {"oom"}) == "without-oom"
    longest = max(len(name_of(list(ALL)[:number])) for number in range(len(ALL)))
    assert longest < 200
    assert RunDirectory.create(tmp_path, name_of(ALL)).path.is_dir()


def test_the_goals_are_those_of_the_command_and_the_findings() -> None:
    assert tuple(GOALS) == _GOALS == tuple(SAID)


@dataclass(frozen=True)
class OpenedLab:
    """What the command sees of a lab."""

    without: tuple[str, ...] = ()
    line: str = "6.12"
    image: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(key="0123456789abcdef"))

    def run(self, cell: Cell, *, fresh: bool = False) -> Outcome:
        return HeldLab(HOLDERS, frozenset(self.without)).run(cell, fresh=fresh)


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for the command, whose lab is scripted and whose corpus is small."""
    monkeypatch.setattr("harness.lab.lab.Lab.open", lambda *_, **__: OpenedLab())
    monkeypatch.setattr("harness.cli.defences.chosen_kernel", Mock())
    monkeypatch.setattr("harness.scenarios.corpus.SHIPPED", SMALL)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "found.json"


def test_the_command_searches_and_keeps_what_it_finds(
    opened: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["defences", "--enough", "integrity", "--output", str(opened)]) == 0
    said = capsys.readouterr().out
    assert f"enough, 2 of {len(ALL)} defences: access" in said
    assert "confirmed: a run of every attack" in said
    assert "results: results/defences-0123456789ab-" in said
    assert main(["defences", "--output", str(opened)]) == 0
    kept = read_defences(opened)
    assert kept.enough["integrity"].confirmed
    assert kept.alone
    assert kept.alone.won["oom"] == {"process_vm_readv": "leaked"}
    assert kept.alone.image == "0123456789abcdef"
