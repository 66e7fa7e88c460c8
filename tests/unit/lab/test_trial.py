# SPDX-License-Identifier: GPL-2.0-only
"""What comes before an attack: if that fails, nothing was tried."""

from __future__ import annotations

from dataclasses import replace
from os import O_RDONLY
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import DEFAULT, MagicMock, Mock, patch

import pytest
from local_agent import local_attacker

from harness.host.errors import VmLost
from harness.lab.plan import CellPlan
from harness.lab.trial import Trial
from harness.model.handlers import BACKDOOR
from harness.model.verdict import Effect
from harness.scenarios.corpus import SHIPPED
from harness.scenarios.registry import Scenario

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.scenarios.registry import Attack
    from harness.witness.handler import Handler


def trial(prepare: Attack | None) -> Trial:
    scenario = Scenario(
        name="made_up",
        summary="",
        attack=lambda _attacker, _handler: None,
        effect=Effect.INTEGRITY,
        surface="test",
        answers=(),
        prepare=prepare,
    )
    nothing: Any = None
    plan = CellPlan(nothing, scenario, nothing, nothing, inapplicable=None)
    return Trial(plan, nothing)


def test_what_fails_before_the_attack_leaves_no_verdict() -> None:
    def prepare(attacker: Attacker, _handler: Handler) -> None:
        attacker.open("/absent", O_RDONLY)

    with local_attacker() as attacker, pytest.raises(VmLost, match="set-up failed: ENOENT"):
        trial(prepare)._prepare(attacker, cast("Handler", None))


def test_what_comes_before_the_attack_is_recorded_as_such() -> None:
    def prepare(attacker: Attacker, _handler: Handler) -> None:
        attacker.getpid()

    with local_attacker() as attacker:
        trial(prepare)._prepare(attacker, cast("Handler", None))
        trial(None)._prepare(attacker, cast("Handler", None))
        assert [call.setup for call in attacker.attempt.calls] == [True]


def test_a_trial_is_told_of_pauses_of_defences_left_out_and_of_a_rehearsed_handler() -> None:
    """Otherwise late replies, and a handler's pages that moved, would count against a variant."""
    made_up = trial(None).plan
    pausing = replace(
        made_up,
        scenario=replace(made_up.scenario, pauses=True, inside=True),
        variant=replace(SHIPPED.variants["baseline"], rehearsed=True),
        images=Mock(),
        without=("pages",),
    )
    names = ("Account", "Handler", "Attacker")
    with (
        patch.multiple("harness.lab.trial", **dict.fromkeys(names, DEFAULT)) as parts,
        patch("harness.lab.trial.Channel", MagicMock()),
        Trial(pausing, Mock()).prepared(Mock()),
    ):
        told = parts["Account"].call_args.kwargs
    assert told["pauses"] is True
    assert told["without"] == ("pages",)
    assert parts["Handler"].return_value.program == BACKDOOR, "as it was rehearsed"
