# SPDX-License-Identifier: GPL-2.0-only
"""What counts as a loss on a host that was too busy."""

from __future__ import annotations

from dataclasses import replace
from signal import SIGKILL, SIGQUIT

import pytest
from tallies import AFTER, evidence

from harness.campaign.judged import KERNEL, RELOAD, conclusion
from harness.model.verdict import Verdict
from harness.witness.cell_verdict import no_phase
from harness.witness.tally import Violation


@pytest.mark.parametrize(
    ("signal", "verdict", "stood_still"),
    [(SIGQUIT, Verdict.DISRUPTED, False), (SIGKILL, Verdict.ERROR, True)],
    ids=["another", "of the kernel for a late reply"],
)
def test_a_signal_is_no_matter_of_a_busy_host(
    signal: int, verdict: Verdict, stood_still: bool
) -> None:
    count = replace(AFTER.count, failed=AFTER.count.failed + 1, sent=AFTER.count.sent + 1)
    after = replace(AFTER, count=count, exits=AFTER.exits + 1, exit_code=signal)
    judged = conclusion(evidence(after=after, attacked=after, stalled=2.0))
    assert (judged.verdict, judged.stood_still) == (verdict, stood_still)
    assert bool(judged.lost) is not stood_still


def test_nothing_is_lost_where_nothing_was() -> None:
    judged = conclusion(evidence())
    assert (judged.verdict, judged.lost) == (Verdict.HELD, frozenset())


def test_a_complaint_of_the_kernel_is_a_loss_of_its_own() -> None:
    judged = conclusion(evidence(taint=0x200))
    assert (judged.verdict, judged.lost) == (Verdict.ERROR, frozenset({KERNEL}))
    assert judged.what == "the kernel complained of itself: taint 0x200"


def test_a_complaint_does_not_hide_what_the_handler_lost() -> None:
    tampered = replace(AFTER, violations=Violation.POLICY)
    judged = conclusion(evidence(taint=0x200, after=tampered, attacked=tampered))
    assert judged.lost == frozenset({KERNEL, "integrity"})


def test_what_was_lost_before_the_reload_is_known_without_a_reload() -> None:
    first, restart, reload = AFTER.phases
    phases = (first, restart, replace(reload, starts=0, loads=0))
    count = replace(AFTER.count, starts=AFTER.count.starts - 1)
    judged = conclusion(evidence(after=replace(AFTER, count=count, phases=phases)))
    assert (judged.verdict, judged.detail) == (Verdict.ERROR, no_phase(RELOAD))
    assert (judged.lost, judged.early) == (frozenset(), frozenset())


@pytest.mark.parametrize("phase", [1, 2, 3])
def test_what_fails_at_the_reload_alone_is_not_lost_before(phase: int) -> None:
    phases = list(AFTER.phases)
    failed = replace(phases[phase - 1], failed=1)
    phases[phase - 1] = failed
    count = replace(AFTER.count, failed=1, sent=AFTER.count.sent + 1)
    judged = conclusion(evidence(after=replace(AFTER, count=count, phases=tuple(phases))))
    assert judged.lost == {"availability"}
    assert judged.early == frozenset({"availability"} if phase < RELOAD else ())


def test_without_a_conclusion_nothing_is_known_of_the_time_before() -> None:
    assert conclusion(evidence(witness_changed=True)).early is None
