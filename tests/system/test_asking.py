# SPDX-License-Identifier: GPL-2.0-only
"""Requests that root sends to the witness's handler through a second manager."""

from __future__ import annotations

from errno import EIO
from typing import TYPE_CHECKING

import pytest
from late_replies import Failures, Lates

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.vm.machine import Machine
    from harness.witness.reader import Witness

ASK = "/sys/kernel/security/umd_witness_ask"
TIMES = 20


@pytest.mark.parametrize("variant", ["baseline", "isolated", "kthread"])
def test_each_write_is_a_request_that_is_judged_like_any(
    machine: Machine, witness: Witness, attacker: Attacker, failures: Failures
) -> None:
    """In between those of the witness, in whatever order."""
    before = witness.read()
    lates = Lates(machine, EIO)  # the file gives this errno for each failure
    for _ in range(TIMES):
        lates.in_time(attacker.write_file, ASK, b"x")
    after = witness.wait(
        lambda t: t.count.right >= before.count.right + TIMES, seconds=60, what="reply"
    )
    assert not (after.count.wrong or failures.others(after) or after.violations)


def test_nobody_can_read_it(attacker: Attacker) -> None:
    with pytest.raises(OSError, match="EINVAL"):
        attacker.read_file(ASK)
