# SPDX-License-Identifier: GPL-2.0-only
"""The search for the commit that changes a verdict, over a series whose steps are scripted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outcomes import CONTROL, ISOLATED, cell
from result_lines import result_line
from scripted_lab import Script, SmallLab, outcome
from small_corpus import SMALL

from harness.cli.main import main
from harness.host.errors import DoesNotBuild, UserError
from harness.model.verdict import Verdict
from harness.studies.bisect import Trials, TriedStep, VerdictChange, bisect, step_of
from harness.studies.bisect_report import found_commit, story
from harness.studies.kernel_steps import KernelSteps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from harness.model.cell import Cell
    from harness.run.cell_runner import CellRunner


READ = cell("isolated", "process_vm_readv")
HELD = result_line(Verdict.HELD, detail="EPERM")
LOST = result_line(Verdict.TAMPERED, ["integrity"], detail="wrong", ok=False)


@dataclass
class ScriptedSteps:
    """A series of ten commits; at `change` the attack no longer wins."""

    change: int = 6
    broken: tuple[int, ...] = ()
    silent: tuple[int, ...] = ()
    first: int = 1
    last: int = 10
    built: list[int] = field(default_factory=list)
    labs: dict[int, SmallLab] = field(default_factory=dict)

    def subject(self, number: int) -> str:
        return f"subsystem: Part {number} of it"

    def message(self, number: int) -> str:
        return f"{self.subject(number)}\n\nBecause.\n"

    def key(self, number: int, variants: Sequence[str]) -> str:
        return f"image {number} for {', '.join(variants)}"

    def lab(
        self, number: int, variants: Sequence[str], progress: Callable[[str], None]
    ) -> CellRunner:
        assert set(variants) <= {"baseline", "isolated"}
        progress(f"kernel {number}")
        self.built.append(number)
        if number in self.broken:
            raise DoesNotBuild(f"no rule for {number}", hint="see the log")
        script: dict[tuple[str, str], object] = {}
        if number < self.change:
            script["isolated", "proc_mem_write"] = outcome(Verdict.TAMPERED, "17 wrong replies")
        if number in self.silent:
            script["baseline", "proc_mem_write"] = outcome(Verdict.HELD)
        typed: Script = script  # type: ignore[assignment] # outcomes all
        self.labs[number] = SmallLab(typed)
        return self.labs[number]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def search(
    steps: ScriptedSteps, good: int, bad: int, cells: Sequence[Cell] = (ISOLATED,)
) -> tuple[VerdictChange, str]:
    """Search, and return what was found and what was said."""
    said: list[str] = []
    trials = Trials(steps, SMALL, cells, jobs=2, progress=lambda _: None)
    finding = bisect(good, bad, trials, say=lambda step: said.append(story(step, steps)))
    return finding, "\n".join([*said, found_commit(finding, steps)])


@pytest.mark.parametrize("change", range(2, 11))
@pytest.mark.parametrize("ends", [(1, 10), (10, 1)])
def test_each_commit_is_found_from_either_end(change: int, ends: tuple[int, int]) -> None:
    steps = ScriptedSteps(change)
    finding, said = search(steps, *ends)
    assert (finding.before.number, finding.after.number) == (change - 1, change)
    assert f"Commit {change} of 10 makes the change: subsystem: Part {change} of it" in said
    assert f"    subsystem: Part {change} of it\n\n    Because." in said
    assert said.endswith("6.12-isolated-proc_mem_write: tampered (17 wrong replies) -> held")
    assert len(steps.built) <= 6, "two ends, and as few in between as halving takes"


def test_a_control_may_be_searched_for_as_well() -> None:
    steps = ScriptedSteps(silent=(8, 9, 10))
    finding, said = search(steps, 1, 10, [CONTROL])
    assert finding.after.number == 8
    assert said.endswith("6.12-baseline-proc_mem_write: tampered -> held")


def test_each_step_is_told() -> None:
    _, said = search(ScriptedSteps(change=10), 9, 10)
    assert said.splitlines()[:2] == [
        "step 9 of 10, up to “subsystem: Part 9 of it”:",
        "  6.12-isolated-proc_mem_write: tampered (17 wrong replies)",
    ]


def test_what_does_not_build_is_skipped_and_told() -> None:
    steps = ScriptedSteps(change=7, broken=(5, 6))
    steps.change = 8
    finding, said = search(steps, 1, 10)
    assert (finding.before.number, finding.after.number) == (7, 8)
    assert "skipped: it does not build: no rule for 5; see the log" in said
    assert finding.skipped == ()


def test_where_the_steps_between_tell_nothing_those_left_are_named() -> None:
    finding, said = search(ScriptedSteps(change=6, broken=(5,), silent=(6,)), 1, 10)
    assert (finding.before.number, finding.after.number) == (4, 7)
    assert [step.number for step in finding.skipped] == [5, 6]
    assert "One of these commits makes the change" in said
    assert "  5 “subsystem: Part 5 of it”\n  6 “" in said
    assert "ended in an error: control baseline did not win" in said


def test_an_end_that_tells_nothing_is_an_error() -> None:
    with pytest.raises(UserError, match="step 10 is an end of the search and has no results"):
        search(ScriptedSteps(broken=(10,)), 1, 10)


def test_no_change_is_an_error() -> None:
    with pytest.raises(UserError, match="steps 7 and 10 give the same results"):
        search(ScriptedSteps(), 10, 7)


def test_of_several_cells_the_first_that_changes_counts() -> None:
    finding, said = search(ScriptedSteps(change=4), 1, 10, [READ, ISOLATED])
    assert finding.after.number == 4
    assert "process_vm_readv: held -> " not in said, "what did not change is not said to have"


def test_what_was_found_is_not_run_again() -> None:
    steps = ScriptedSteps()
    first, _ = search(steps, 1, 10)
    again = ScriptedSteps()
    second, _ = search(again, 1, 10)
    assert again.built == []
    assert first == second


def test_a_search_that_was_interrupted_goes_on() -> None:
    class Interrupted(ScriptedSteps):
        def lab(
            self, number: int, variants: Sequence[str], progress: Callable[[str], None]
        ) -> CellRunner:
            if len(self.built) == 3:
                raise KeyboardInterrupt
            return super().lab(number, variants, progress)

    steps = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        search(steps, 1, 10)
    rest = ScriptedSteps()
    finding, _ = search(rest, 1, 10)
    assert finding.after.number == 6
    assert not set(rest.built) & set(steps.built)


def test_other_cells_of_a_known_step_are_run_and_noted_beside() -> None:
    steps = ScriptedSteps()
    trials = Trials(steps, SMALL, [ISOLATED], jobs=2, progress=lambda _: None)
    trials(3)
    both = Trials(steps, SMALL, [ISOLATED, READ], jobs=2, progress=lambda _: None)
    assert list(both(3).found) == [ISOLATED, READ]
    assert ISOLATED not in steps.labs[3].ran
    steps.built.clear()
    assert both(3).found[ISOLATED].detail == "17 wrong replies"
    assert steps.built == []


def test_no_conclusion_is_not_noted() -> None:
    silent = ScriptedSteps(silent=(3,))
    trials = Trials(silent, SMALL, [ISOLATED], jobs=2, progress=lambda _: None)
    assert "did not win" in trials(3).why
    well = ScriptedSteps()
    assert Trials(well, SMALL, [ISOLATED], jobs=2, progress=lambda _: None)(3).why == ""
    assert well.built == [3]


def test_other_attack_files_ask_anew(tmp_path: Path) -> None:
    steps = ScriptedSteps()
    Trials(steps, SMALL, [ISOLATED], jobs=2, progress=lambda _: None)(3)
    mine = tmp_path / "mine.py"
    mine.write_text("# another attack")
    Trials(steps, SMALL, [ISOLATED], 2, lambda _: None, [mine])(3)
    assert steps.built == [3, 3]


def test_a_changed_module_of_any_folder_asks_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.studies.bisect.PACKAGE", tmp_path / "harness")
    steps = ScriptedSteps()
    for code in ("1", "2"):
        (tmp_path / "harness/witness").mkdir(parents=True, exist_ok=True)
        (tmp_path / "harness/witness/conclude.py").write_text(code)
        Trials(steps, SMALL, [ISOLATED], jobs=2, progress=lambda _: None)(3)
    assert steps.built == [3, 3]


def test_a_note_that_was_cut_short_is_made_again(tmp_path: Path) -> None:
    steps = ScriptedSteps()
    trials = Trials(steps, SMALL, [ISOLATED], jobs=2, progress=lambda _: None)
    trials(3)
    (note,) = (tmp_path / "umd-harness/bisect").iterdir()
    note.write_text(note.read_text()[:20])
    assert trials(3).found[ISOLATED].verdict is Verdict.TAMPERED
    assert steps.built == [3, 3]


@given(st.integers(2, 40), st.data())
def test_halving_ends_at_the_change_whatever_is_skipped(last: int, data: st.DataObject) -> None:
    change = data.draw(st.integers(2, last))
    skips = data.draw(st.sets(st.integers(2, last - 1) if last > 2 else st.nothing()))
    tries: list[int] = []

    def tried(number: int) -> TriedStep:
        tries.append(number)
        if number in skips:
            return TriedStep(number, why="it does not build")
        return TriedStep(number, {CONTROL: HELD if number >= change else LOST})

    finding = bisect(1, last, tried, say=lambda _: None)
    assert len(tries) == len(set(tries)), "none is tried twice"
    assert finding.before.number < change <= finding.after.number
    between = set(range(finding.before.number + 1, finding.after.number))
    assert between == {step.number for step in finding.skipped} <= skips


def test_a_step_is_named_by_its_number_or_its_commit() -> None:
    steps = ScriptedSteps(first=2)
    assert step_of(steps, "7") == 7
    assert step_of(steps, "part 7") == 7
    assert step_of(steps, "subsystem: Part 3 of it") == 3
    with pytest.raises(UserError, match=r"10 commits have 'subsystem' .*: 1 “subsystem: Part 1"):
        step_of(steps, "subsystem")
    with pytest.raises(UserError, match="no commit has 'mm:' in its subject"):
        step_of(steps, "mm:")
    with pytest.raises(UserError, match="step 1 cannot be tried: the witness needs the library"):
        step_of(steps, "1")
    with pytest.raises(UserError, match="step 11 cannot be tried; name a number from 2 to 10"):
        step_of(steps, "11")


def test_the_shipped_series_begins_with_the_library_and_ends_before_the_witness() -> None:
    steps = KernelSteps("6.12", SMALL)
    assert steps.subject(steps.first) == "usermode_driver: Add a management library"
    assert steps.subject(steps.plain + 1) == "security: Isolate user mode drivers"
    assert steps.first < steps.plain < steps.last
    assert "witness" not in steps.subject(steps.last)
    assert steps.subject(step_of(steps, "keep settings for")).startswith("exec: Keep settings")
    assert steps.message(steps.last).startswith(steps.subject(steps.last))
    keys = [steps.key(number, ["isolated"]) for number in range(steps.first, steps.last + 1)]
    assert len(set(keys)) == len(keys), "no two steps are one kernel"
    assert steps.key(steps.last, ["isolated"]) in steps.key(steps.last, ["isolated-debug"])


def test_a_detail_is_no_change() -> None:
    step = TriedStep(2, {ISOLATED: HELD})
    other = TriedStep(1, {ISOLATED: result_line(Verdict.HELD, detail="EACCES")})
    assert step.changed(other) == []


def test_the_command_says_which_step_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bisect", "-k", ISOLATED.id, "--good", "no such commit"]) == 2
    assert "no such commit" in capsys.readouterr().err
