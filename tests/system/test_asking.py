# SPDX-License-Identifier: GPL-2.0-only
"""Requests that root sends to the witness's handler through a second manager."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from late_replies import Failures

    from harness.attacker import Attacker
    from harness.witness.reader import Witness

ASK = "/sys/kernel/security/umd_witness_ask"
TIMES = 20


@pytest.mark.parametrize("variant", ["baseline", "isolated", "kthread"])
def test_each_write_is_a_request_that_is_judged_like_any(
    witness: Witness, attacker: Attacker, failures: Failures
) -> None:
    """In between those of the witness, in whatever order."""
    before = witness.read()
    for _ in range(TIMES):
        attacker.write_file(ASK, b"x")
    after = witness.wait(
        lambda t: t.count.right >= before.count.right + TIMES, seconds=60, what="reply"
    )
    assert not (after.count.wrong or failures.others(after) or after.violations)


def test_nobody_can_read_it(attacker: Attacker) -> None:
    with pytest.raises(OSError, match="EINVAL"):
        attacker.read_file(ASK)
