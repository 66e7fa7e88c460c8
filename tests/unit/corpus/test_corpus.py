# SPDX-License-Identifier: GPL-2.0-only
"""What holds for every attack of the corpus, by what it declares."""

from __future__ import annotations

import inspect
import re
import tomllib

import pytest

from harness.attacker.agent.syscalls import NUMBERS
from harness.host.paths import CHECKOUT, KERNEL_PATCHES
from harness.judge.cells import check_corpus
from harness.model.variants import VARIANTS
from harness.model.verdict import Verdict
from harness.scenarios import EVERY, REFERENCES, SCENARIOS, Effect, Scenario
from harness.scenarios.classes import BROUGHT, class_of, classes
from harness.scenarios.corpus import SHIPPED
from harness.scenarios.ids import class_of_row
from harness.scenarios.registry import unmet
from harness.witness.evidence import CALL_RETURNED, WRONG_REPLY
from harness.witness.tally import Violation

ATTACKS = [scenario for name, scenario in SCENARIOS.items() if name not in REFERENCES]

FRAGMENTS = ("base.config", "witness.config")
OPTION = re.compile(r"^CONFIG_(\w+)=[ym]$", re.MULTILINE)


def test_no_row_of_the_attack_surface_is_in_two_classes() -> None:
    parts = tomllib.loads((CHECKOUT / "harness/scenarios/surface.toml").read_text()).values()
    rows = [row for part in parts for row in part["rows"]]
    assert len(rows) == len(set(rows)) == len(class_of_row())
    assert len(classes()) == len(parts), "no two classes are called alike"
    assert BROUGHT not in {class_of(scenario.name) for scenario in ATTACKS}


def test_every_row_of_the_attack_surface_has_its_attack() -> None:
    attacked = {scenario.surface for name, scenario in EVERY.items() if name not in REFERENCES}
    assert not class_of_row().keys() - attacked
    assert not attacked - class_of_row().keys(), "an attack is on a row, or the row is missing"


def every(scenario: Scenario) -> str:
    return scenario.name


def test_the_corpus_is_sound() -> None:
    check_corpus(SHIPPED)


def test_the_shipped_kernels_have_all_that_attacks_need() -> None:
    """So none of them is `n/a` for want of an option: an option that vanishes fails the build."""
    texts = [(KERNEL_PATCHES / "config" / name).read_text() for name in FRAGMENTS]
    shipped = {option for text in texts for option in OPTION.findall(text)}
    tried = [scenario for scenario in ATTACKS if set(VARIANTS) - set(scenario.not_applicable)]
    assert not unmet({need for scenario in tried for need in scenario.needs}, shipped)


def test_a_need_is_an_option_that_is_there_or_one_that_is_not() -> None:
    assert unmet(("A", "!B", "C", "!D"), {"A", "B"}) == ["!B", "C"]


@pytest.mark.parametrize("scenario", ATTACKS, ids=every)
def test_an_attack_can_be_believed(scenario: Scenario) -> None:
    variants = [name for name in VARIANTS if name not in scenario.not_applicable]
    assert not variants or scenario.control in variants, "its control has what it attacks"
    assert re.fullmatch(r"[A-Z].*\.", scenario.summary), "a sentence, in a line"
    assert scenario.answers
    assert scenario.tries >= 1
    assert scenario.reach or scenario.through or scenario.inside, "it goes through the kernel"
    wrongs = {WRONG_REPLY, CALL_RETURNED, *(flag.word for flag in Violation)}
    assert scenario.shows in wrongs, "the witness has a word for what it makes wrong"
    assert scenario.lockdown.keys() <= NUMBERS.keys(), "lockdown refuses a system call"
    # What lockdown or a rival's policy refuses proves that by itself.
    processes = [
        name
        for name in variants
        if not VARIANTS[name].is_thread
        and not (scenario.locked_out(VARIANTS[name]) or name in scenario.denied_by)
    ]
    may_hold = any(scenario.expected(VARIANTS[name]) == "held" for name in processes)
    if may_hold and not (scenario.inside or scenario.ends_machine):
        assert scenario.reach or Effect.STEP in scenario.effects, "`held` takes proof of arrival"


def test_an_attack_that_freezes_the_machine_on_its_way_excuses_late_replies() -> None:
    """Its verdict would follow the speed of the host."""
    frozen = [one for one in ATTACKS if "SnapshotDevice(" in inspect.getsource(one.attack)]
    assert {one.name for one in frozen if one.excuses_late_replies} == {
        "clear_refs",
        "hibernation_image",
        "hibernation_image_edit",
        "swap_tamper_anon",
    }


def test_lockdown_closes_the_holes_of_what_it_refuses() -> None:
    locked = [name for name, variant in VARIANTS.items() if variant.locked]
    assert locked == ["isolated-lockdown"]
    isolated, locked_down = VARIANTS["isolated"], VARIANTS["isolated-lockdown"]
    refused = [one for one in ATTACKS if one.lockdown]
    assert {"dev_mem", "kexec", "module_code", "fail_function"} <= {one.name for one in refused}
    for one in refused:
        assert one.locked_out(locked_down)
        assert not one.locked_out(isolated)
        assert one.expected(locked_down) is Verdict.HELD
        assert "isolated-lockdown" not in one.holes
    rest = [one for one in ATTACKS if not one.lockdown]
    assert all(one.expected(locked_down) is one.expected(isolated) for one in rest)
