# SPDX-License-Identifier: GPL-2.0-only
"""How an attack ends that finds nothing to act on, where a rival's policy may have hidden it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from local_agent import local_attacker

from harness.attacker.agent.errors import NoTarget
from harness.lab.attempt import attempt
from harness.model.attempt_end import End
from harness.model.variants import SELINUX, Policy
from harness.scenarios import SCENARIOS


def look_in_vain(_attacker: object, _handler: object) -> None:
    raise NoTarget("no process was caught in time")


@pytest.mark.parametrize(
    ("policed", "spared", "end"),
    [
        (SELINUX, False, End.DENIED),
        (None, True, End.NO_TARGET),
        (None, False, End.BROKEN),
    ],
)
def test_what_is_not_found_under_a_policy_was_denied(
    policed: Policy | None, spared: bool, end: End
) -> None:
    scenario = replace(SCENARIOS["seize_at_start"], attack=look_in_vain)
    with local_attacker() as attacker:
        ended = attempt(scenario, attacker, None, spared=spared, policed=policed)  # type: ignore[arg-type]
    assert (ended.end, ended.detail) == (end, "no process was caught in time")
