# SPDX-License-Identifier: GPL-2.0-only
"""A guest counts the instructions of its kernel's operations, and an added cost is counted."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

import pytest

from harness.attacker import Attacker, Channel
from harness.attacker.tools.tracefs import switch_on
from harness.host.errors import VmLost
from harness.lab.instruction_clock import check_counter, counted, counting_spec
from harness.studies.system_cost import LIMIT, OPERATIONS
from harness.vm.machine import Machine
from harness.witness.reader import Witness

if TYPE_CHECKING:
    from harness.lab.lab import Lab

pytestmark = pytest.mark.timeout(3600)

SECONDS = 600.0
"""For each step of a guest whose instructions are counted, on a busy host."""


def call(attacker: Attacker) -> float:
    """The instructions of a round of system calls."""
    return median(counted(attacker, "system-call", OPERATIONS["system-call"], 4)[1:])


def test_instructions_are_counted_and_a_cost_shows(lab: Lab) -> None:
    images = lab.images("baseline")
    with (
        Machine.boot(counting_spec("6.12-counting", images), lab.accelerator) as machine,
        Channel(
            machine.agent_socket(), reply_seconds=SECONDS, attempt_seconds=4 * SECONDS
        ) as channel,
    ):
        attacker = Attacker(channel, images.guest)
        check_counter(attacker)
        witness = Witness(machine, images.kernel)
        witness.appear(seconds=SECONDS)
        witness.park(seconds=SECONDS)  # its requests would come between
        for operation in OPERATIONS:
            assert all(counted(attacker, operation, 2, 2)), operation
        before, again = call(attacker), call(attacker)
        assert before / LIMIT < again < before * LIMIT
        switch_on(attacker, "raw_syscalls/sys_enter")
        assert call(attacker) > before * LIMIT


def test_a_clock_that_goes_with_the_time_is_refused(attacker: Attacker) -> None:
    with pytest.raises(VmLost, match="it does not count instructions"):
        check_counter(attacker)


def test_a_request_with_a_handler_of_its_own_has_the_cost_of_a_start(lab: Lab) -> None:
    with lab.request_clock("baseline") as count:
        found = {name: median(rounds[1:]) for name, rounds in count(5, 3).items()}
    assert found["fresh"] > found["start"] > 2 * found["request"]
