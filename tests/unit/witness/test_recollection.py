# SPDX-License-Identifier: GPL-2.0-only
"""A tally that goes back on what was read before was rewritten."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tallies import AFTER, BEFORE, WHOLE_PHASES, count

from harness.witness.layout import SECRETS
from harness.witness.recollection import Recollection, contradictions
from harness.witness.tally import Hook, Record, Violation, WitnessState

if TYPE_CHECKING:
    from harness.witness.tally import Tally

FIRST = Record(number=5, generation=1, error=0, wrong=True, nanoseconds=7)
SLOTS = tuple(bytes([n]) * 32 for n in range(SECRETS))
ESCAPED = replace(BEFORE.escape, asked=1, returned=1)
READ = replace(
    BEFORE,
    count=replace(BEFORE.count, wrong=2, failed=1),
    violations=Violation.TRACED | Violation.MAPPED,
    exits=1,
    demoted=1,
    generation=2,
    records=(FIRST,),
    escape=ESCAPED,
    hooks=(Hook(function=0x100, on_handler=3, can_refuse=True),),
    secret_slots=SLOTS,
)
"""A tally in which much has happened."""


@pytest.mark.parametrize(
    ("now", "found"),
    [
        (replace(READ, count=replace(READ.count, wrong=1)), "count of wrong went back from 2 to 1"),
        (replace(READ, count=replace(READ.count, failed=0)), "count of failed went back"),
        (replace(READ, count=replace(READ.count, sent=19)), "count of sent went back"),
        (replace(READ, count=replace(READ.count, right=0)), "count of right went back"),
        (replace(READ, count=replace(READ.count, starts=0)), "count of starts went back"),
        (replace(READ, heartbeat=99), "heartbeat went back from 100 to 99"),
        (replace(READ, vmforks=0), "vmforks went back"),
        (replace(READ, exits=0), "exits went back"),
        (replace(READ, demoted=0), "demoted went back"),
        (replace(READ, violations=Violation.TRACED), "the violation mapped vanished"),
        (replace(READ, slowest=1_000_000), "the slowest request became faster"),
        (replace(READ, records=(FIRST._replace(wrong=False),)), "the record of a request changed"),
        (replace(READ, escape=replace(ESCAPED, returned=0)), "count of escapes returned went back"),
        (replace(READ, hooks=(READ.hooks[0]._replace(on_handler=2),)), "the hook at 0x100"),
        (replace(READ, pid=31), "the pid of handler 2 changed"),
        (replace(READ, page_table=0x2000), "the page table of handler 2 changed"),
        (replace(READ, chain=0x2000), "the chain of handler 2 changed"),
        (
            replace(READ, secret_slots=(SLOTS[0], bytes(32), *SLOTS[2:])),
            "the secret's hash of handler 1 changed",
        ),
    ],
)
def test_each_step_back_is_a_contradiction(now: Tally, found: str) -> None:
    (only,) = contradictions(READ, now)
    assert found in only


PARKED = replace(BEFORE, state=WitnessState.PARKED)
IN_PHASE_2 = replace(
    AFTER, state=WitnessState.AFTERMATH, phase=2, phases=(*WHOLE_PHASES[:1], count(), count())
)


@pytest.mark.parametrize(
    ("was", "now"),
    [
        (BEFORE, BEFORE),
        (BEFORE, AFTER),
        (IN_PHASE_2, AFTER),
        (READ, replace(READ, records=(), generation=20, secret_slots=SLOTS[::-1])),
        (READ, replace(READ, generation=3, pid=40, page_table=0x7000)),
        (PARKED, replace(BEFORE, slowest=0)),
        # A second aftermath counts its phases anew.
        (AFTER, replace(IN_PHASE_2, count=AFTER.count, phase=1, phases=(count(),) * 3)),
    ],
)
def test_what_goes_on_contradicts_nothing(was: Tally, now: Tally) -> None:
    assert list(contradictions(was, now)) == []


def test_the_counts_of_a_phase_that_has_ended_stay() -> None:
    forged = replace(AFTER, phases=(count(sent=16, right=15, failed=1), *WHOLE_PHASES[1:]))
    assert list(contradictions(IN_PHASE_2, forged)) == [
        "the counts of a phase of the aftermath changed"
    ]


def test_a_contradiction_is_remembered_once() -> None:
    seen = Recollection()
    for tally in (READ, replace(READ, exits=0), READ, replace(READ, exits=0), READ):
        seen.note(tally)
    assert seen.contradictions == ["exits went back from 1 to 0"]


def test_a_declared_return_to_an_earlier_state_is_no_contradiction() -> None:
    seen = Recollection()
    seen.note(READ)
    seen.note(BEFORE)
    seen.forget()
    seen.note(BEFORE)
    assert seen.contradictions == []


def test_a_number_that_the_guest_wrote_costs_no_time() -> None:
    """Only the latest secrets are compared, whatever the generations are."""
    was = replace(READ, generation=2**32 - 1)
    found = list(contradictions(was, replace(READ, generation=0, secret_slots=SLOTS[::-1])))
    assert "generation went back" in found[0]
    assert len(found) <= 1 + SECRETS
