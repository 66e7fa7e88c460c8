# SPDX-License-Identifier: GPL-2.0-only
"""Plans of cells, and outcomes of machines that stood still or that their attack ended."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

import pytest
from boot_images import boot_images
from scripted_lab import outcome

from harness.host.errors import Silent, VmLost
from harness.lab.lab import CALM_TRIES, Lab, _after_loss
from harness.lab.plan import MachinePlan
from harness.lab.trial import Trial
from harness.model.attempt_end import AttemptEnd, End
from harness.model.cell import Cell, Outcome
from harness.model.verdict import Axes, Verdict
from harness.scenarios.corpus import SHIPPED, Corpus
from harness.vm.probe import Accelerator

if TYPE_CHECKING:
    from pathlib import Path

    from harness.lab.plan import CellPlan
    from harness.lab.vmcore import Dump
    from harness.vm.machine import Machine

CELL = Cell("6.12", "isolated", "proc_mem_write")
STILL = replace(
    outcome(Verdict.ERROR, "the machine stood still for 0.9 s: 1 failed (ETIMEDOUT)"), retry=True
)
HELD = outcome(Verdict.HELD)
QEMU = Accelerator("tcg", "for a test")


def lab(place: Path, corpus: Corpus = SHIPPED) -> Lab:
    return Lab("6.12", {"": boot_images(place)}, QEMU, corpus=corpus)


@dataclass(frozen=True)
class Scripted(Lab):
    """A lab whose machines give what the script says, in turn."""

    script: list[Outcome] = field(default_factory=list)

    def _run(self, plan: CellPlan, *, fresh: bool, dump: Dump) -> Outcome:
        assert (plan.cell, fresh, dump.path) == (CELL, False, None)
        return self.script.pop(0)


def scripted(place: Path, *script: Outcome) -> Scripted:
    return Scripted("6.12", {"": boot_images(place)}, QEMU, script=list(script))


@pytest.mark.parametrize("stalls", range(CALM_TRIES))
def test_a_cell_whose_machine_stood_still_is_run_again(tmp_path: Path, stalls: int) -> None:
    assert scripted(tmp_path, *[STILL] * stalls, HELD).run(CELL) == HELD


def test_a_plan_names_the_defences_that_its_machine_leaves_out(tmp_path: Path) -> None:
    assert lab(tmp_path).plan(CELL).without == ()
    assert replace(lab(tmp_path), without=("pages",)).plan(CELL).without == ("pages",)


def test_a_cell_that_never_comes_to_a_conclusion_is_an_error(tmp_path: Path) -> None:
    busy = scripted(tmp_path, *[STILL] * CALM_TRIES, HELD)
    assert busy.run(CELL) == STILL
    assert busy.script == [HELD]


@pytest.mark.parametrize(
    "other",
    [
        outcome(Verdict.ERROR, "the guest reset itself"),
        outcome(Verdict.DISRUPTED, "late"),
        replace(STILL, retry=False),
    ],
)
def test_no_other_outcome_is_run_again_whatever_its_detail(tmp_path: Path, other: Outcome) -> None:
    assert scripted(tmp_path, other, HELD).run(CELL) == other


class Gone:
    """As much of a machine as is left of a lost one."""

    def console(self) -> str:
        return "booted\n"


def after_loss(
    place: Path, lost: VmLost, *, ends_machine: bool = True, begun: bool = True
) -> Outcome:
    """The outcome of an attack whose machine was lost."""
    plan = lab(place).plan(CELL)
    plan = replace(plan, scenario=replace(plan.scenario, ends_machine=ends_machine))
    trial = Trial(plan, cast("Machine", Gone()), tried=[{"name": "reboot"}], begun=begun)
    return _after_loss(outcome(Verdict.ERROR, str(lost)), trial, lost)


@pytest.mark.parametrize(
    "lost", [VmLost("the guest reset itself", by_guest=True), Silent("no reply", alive=False)]
)
def test_an_attack_that_was_to_end_the_machine_has_won_when_the_guest_ended_it(
    tmp_path: Path, lost: VmLost
) -> None:
    ended = after_loss(tmp_path, lost)
    assert (ended.verdict, ended.axes) == (Verdict.DISRUPTED, Axes(availability=True))
    assert (ended.attempt_end, ended.carried_out) == (AttemptEnd(End.COMPLETED), True)
    assert ended.witness, "a verdict rests on evidence"
    assert (ended.attempt, ended.console) == ([{"name": "reboot"}], "booted\n")


@pytest.mark.parametrize(
    "lost", [VmLost("QEMU was killed by SIGKILL"), Silent("no reply in time", alive=True)]
)
def test_it_has_not_when_the_machine_was_lost_for_another_reason(
    tmp_path: Path, lost: VmLost
) -> None:
    assert after_loss(tmp_path, lost).verdict is Verdict.ERROR


@pytest.mark.parametrize(("ends_machine", "begun"), [(False, True), (True, False)])
def test_no_other_attack_wins_by_the_end_of_its_machine(
    tmp_path: Path, *, ends_machine: bool, begun: bool
) -> None:
    lost = VmLost("the guest reset itself", by_guest=True)
    given = after_loss(tmp_path, lost, ends_machine=ends_machine, begun=begun)
    assert given.verdict is Verdict.ERROR
    assert given.attempt, "the attacker's account stays"


def test_a_plan_holds_all_that_a_cell_runs_with(tmp_path: Path) -> None:
    opened = lab(tmp_path)
    plan = opened.plan(CELL)
    assert plan.scenario is SHIPPED.scenarios[CELL.scenario]
    assert plan.variant is SHIPPED.variants[CELL.variant]
    assert plan.images is opened.flavours[""]
    assert plan.inapplicable is None
    assert plan.machine == opened.machine_plan(CELL.variant)


def test_an_attack_with_a_machine_of_its_own_has_it_in_its_plan(tmp_path: Path) -> None:
    wide = next(one for one in SHIPPED.scenarios.values() if one.cpus > 1 and not one.needs)
    booted = SHIPPED.scenarios["lsm_boot_param"]
    for scenario in (wide, booted):
        plan = lab(tmp_path).plan(Cell("6.12", "baseline", scenario.name))
        assert plan.machine == MachinePlan(plan.variant, plan.images, scenario.cpus, scenario.boot)


def test_an_attack_inside_has_that_in_its_plan(tmp_path: Path) -> None:
    for scenario in SHIPPED.scenarios.values():
        plan = lab(tmp_path).plan(Cell("6.12", "baseline", scenario.name))
        assert plan.machine.inside == scenario.name.startswith("escape_")
        assert not plan.machine.has_backdoor, "nothing is rehearsed for baseline"


def test_a_flavour_has_its_own_images(tmp_path: Path) -> None:
    (tmp_path / "debug").mkdir()
    debug = boot_images(tmp_path / "debug")
    both = replace(lab(tmp_path), flavours={"": boot_images(tmp_path), "debug": debug})
    assert both.plan(Cell("6.12", "isolated-debug", CELL.scenario)).images is debug
    assert both.images("isolated") is both.flavours[""]


def test_names_are_resolved_by_the_labs_own_corpus(tmp_path: Path) -> None:
    mine = replace(SHIPPED.scenarios["proc_mem_write"], name="mine")
    policy = replace(SHIPPED.variants["baseline"], name="own-policy", cmdline="own=1")
    own = Corpus({**SHIPPED.scenarios, "mine": mine}, {**SHIPPED.variants, "own-policy": policy})
    plan = lab(tmp_path, own).plan(Cell("6.12", "own-policy", "mine"))
    assert (plan.scenario, plan.variant) == (mine, policy)
    with pytest.raises(KeyError):
        lab(tmp_path).plan(Cell("6.12", "own-policy", "mine"))


def test_a_cell_that_is_declared_inapplicable_is_not_tried(tmp_path: Path) -> None:
    name, scenario = next(
        (name, one) for name, one in SHIPPED.scenarios.items() if "kthread" in one.not_applicable
    )
    given = lab(tmp_path).run(Cell("6.12", "kthread", name))
    assert (given.verdict, given.attempt_end) == (
        Verdict.NOT_APPLICABLE,
        AttemptEnd(End.NOT_TRIED),
    )
    assert given.detail == scenario.not_applicable["kthread"]
