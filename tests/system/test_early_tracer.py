# SPDX-License-Identifier: GPL-2.0-only
"""The tracer that seizes a start: a handler that dies before the tracer writes is not the last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.attacker.tools.early_tracer import EarlyTracer
from harness.witness.handler import Handler

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.lab.images import BootImages
    from harness.lab.lab import Lab
    from harness.vm.machine import Machine
    from harness.witness.reader import Witness
    from harness.witness.tally import Tally

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

TRIES = 10


def test_it_seizes_another_start_after_a_death(
    lab: Lab, images: BootImages, machine: Machine, witness: Witness, attacker: Attacker
) -> None:
    variant = lab.corpus.variants["baseline"]
    handler = Handler(variant, machine, images.kernel, witness)
    tracer = EarlyTracer(attacker, handler.name, handler.symbol("chain"))
    assert tracer.catch(handler.restart)
    handler.wait_for_request()
    handler.restart()
    assert not tracer.poke()
    # On a busy host, a traced handler may be too late for a request, and is ended for that: before
    # the tracer writes, or before it replies with what the tracer wrote.
    for _ in range(TRIES):
        assert tracer.catch(handler.restart)
        handler.wait_for_request()
        starts = witness.read().count.starts
        if not tracer.poke():
            continue

        def has_effect(tally: Tally, starts: int = starts) -> bool:
            return tally.count.wrong > 0 or tally.count.starts > starts

        what = "reply from what the tracer wrote"
        count = witness.wait(has_effect, seconds=60, what=what).count
        if count.wrong:
            return
        tracer = EarlyTracer(attacker, handler.name, handler.symbol("chain"))
    raise AssertionError(f"the tracer has changed no reply of {TRIES} handlers")
