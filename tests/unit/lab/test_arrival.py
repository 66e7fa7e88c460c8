# SPDX-License-Identifier: GPL-2.0-only
"""Which calls prove that an attack arrived, by how it ended and what its variant is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tallies import BEFORE

from harness.lab.arrival import LOCKED_DOWN, Arrival, watched
from harness.model.attempt_end import End
from harness.scenarios.corpus import SHIPPED
from harness.witness.layout import NAMED
from harness.witness.tally import Seen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.scenarios.registry import Scenario

ATTACK = replace(
    SHIPPED.scenarios["proc_mem_write"],
    reach="reach",
    no_target_at="spared",
    lockdown={"openat": 1},
    target="handler",
)
UNNAMED = replace(ATTACK, reach=None, no_target_at=None)
SELINUX = SHIPPED.variants["selinux"]
ONE, OTHER = SELINUX.rival.denials if SELINUX.rival else ("", "")


def reached(
    attack: Scenario,
    variant: str,
    end: End,
    on_handler: Mapping[str, int] | None = None,
    elsewhere: Mapping[str, int] | None = None,
    *,
    in_call: bool = True,
) -> int | None:
    """How often an attack arrived, of watched functions that were called as often as is said.

    All were called three times before the attack. `in_call`: by the attacking system call.
    """
    policy = SHIPPED.variants[variant]
    names = watched(attack, policy)
    before, after = [Seen(0, 3, 3, 3, 3)] * NAMED, [Seen(0, 3, 3, 3, 3)] * NAMED
    for place, name in enumerate(names):
        more, others = (on_handler or {}).get(name, 0), (elsewhere or {}).get(name, 0)
        mine, theirs = (3 + more, 3 + others) if in_call else (3, 3)
        after[place] = Seen(0, 3 + more, 3 + others, mine, theirs)
    tallies = (replace(BEFORE, named=tuple(named)) for named in (before, after))
    return Arrival(attack, policy, *tallies).reached(end)


def test_what_is_watched_goes_by_the_variant() -> None:
    assert watched(ATTACK, SHIPPED.variants["baseline"]) == ["reach", "spared"]
    locked = watched(ATTACK, SHIPPED.variants["isolated-lockdown"])
    assert locked == ["reach", "spared", LOCKED_DOWN]
    assert watched(ATTACK, SELINUX) == ["reach", "spared", ONE, OTHER]
    assert watched(UNNAMED, SHIPPED.variants["baseline"]) == []


@pytest.mark.parametrize("end", [End.COMPLETED, End.REFUSED, End.BROKEN])
def test_the_function_that_an_attack_names_proves_its_arrival(end: End) -> None:
    assert reached(ATTACK, "isolated", end, {"reach": 2, "spared": 5}) == 2
    assert reached(ATTACK, "isolated", end, elsewhere={"reach": 2}) == 0
    anywhere = replace(ATTACK, target="system")
    assert reached(anywhere, "isolated", end, {"reach": 2}, {"reach": 1}) == 3


def test_a_refusal_arrived_by_the_refused_call_itself() -> None:
    seen = {"reach": 2}
    assert reached(ATTACK, "isolated", End.REFUSED, seen, in_call=False) == 0
    assert reached(ATTACK, "isolated", End.COMPLETED, seen, in_call=False) == 2
    assert reached(ATTACK, "selinux", End.REFUSED, seen, {ONE: 1}, in_call=False) == 1
    anywhere = replace(ATTACK, target="system")
    assert reached(anywhere, "isolated", End.REFUSED, seen, seen, in_call=False) == 4


def test_an_attack_that_found_no_target_was_seen_by_what_spared_it() -> None:
    assert reached(ATTACK, "kthread", End.NO_TARGET, {"reach": 1, "spared": 4}) == 4
    unseen = replace(ATTACK, no_target_at=None)
    assert reached(unseen, "isolated", End.NO_TARGET, {"reach": 2}) == 2
    assert reached(unseen, "kthread", End.NO_TARGET, {"reach": 2}) is None


def test_an_attack_that_names_no_function_cannot_show_its_arrival() -> None:
    assert reached(UNNAMED, "isolated", End.COMPLETED) == 0
    assert reached(UNNAMED, "isolated", End.NO_TARGET) == 0
    assert reached(UNNAMED, "kthread", End.COMPLETED) == 0
    for excused in (
        replace(UNNAMED, name="nothing"),
        replace(UNNAMED, from_host=True),
        replace(UNNAMED, inside=True),
    ):
        assert reached(excused, "isolated", End.COMPLETED) is None


def test_lockdown_counts_by_its_hook_whatever_its_object() -> None:
    calls = {"reach": 7, LOCKED_DOWN: 1}
    assert reached(ATTACK, "isolated-lockdown", End.LOCKED_DOWN, calls, {LOCKED_DOWN: 2}) == 3


def test_a_rivals_refusal_counts_at_the_function_or_where_the_policy_refuses() -> None:
    denials = {ONE: 1, OTHER: 2}
    assert reached(ATTACK, "selinux", End.REFUSED, {"reach": 2}, denials) == 2
    assert reached(ATTACK, "selinux", End.REFUSED, {}, denials) == 3
    assert reached(UNNAMED, "selinux", End.REFUSED, {}, denials) == 3
    assert reached(ATTACK, "selinux", End.DENIED, {"reach": 2}, denials) == 3
    assert reached(ATTACK, "selinux", End.DENIED, {"reach": 2}) == 0
    assert reached(ATTACK, "selinux", End.COMPLETED, {"reach": 2}, denials) == 2


def test_the_denials_of_a_user_s_policy_prove_its_refusals() -> None:
    mine = replace(SHIPPED.variants["baseline"], denials=("mine_denied",))
    assert watched(ATTACK, mine) == ["reach", "spared", "mine_denied"]
    before = replace(BEFORE, named=(Seen(0, 3, 3, 3, 3),) * NAMED)
    calls = [Seen(0, 3, 3, 3, 3)] * NAMED
    calls[2] = Seen(0, 3, 4, 3, 3)
    after = replace(before, named=tuple(calls))
    assert Arrival(ATTACK, mine, before, after).reached(End.DENIED) == 1
    assert Arrival(ATTACK, mine, before, before).reached(End.DENIED) == 0
