# SPDX-License-Identifier: GPL-2.0-only
"""Whether an attack got as far as its scenario expects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.result import NO_VERDICT
from harness.model.verdict import Effect, Verdict, worst

if TYPE_CHECKING:
    from harness.model.cell import Cell, Outcome
    from harness.scenarios.corpus import Corpus
    from harness.scenarios.registry import Scenario


def half_done(scenario: Scenario, outcome: Outcome) -> str:
    """Return which effects an attack that won did not show; empty if it showed all."""
    gainful = Effect.STEP in scenario.effects
    if outcome.verdict is not scenario.wins or (outcome.verdict is Verdict.HELD and not gainful):
        return ""
    if not outcome.carried_out:
        return f"the attack was not completed ({outcome.attempt_end})"
    missing = scenario.missing(outcome)
    return f"not all effects were shown; missing: {missing}" if missing else ""


def has_won(scenario: Scenario, outcome: Outcome) -> bool:
    """Whether an attack won, with all effects of its scenario."""
    return outcome.verdict is scenario.wins and not half_done(scenario, outcome)


def falls_short(corpus: Corpus, cell: Cell, outcome: Outcome) -> bool:
    """Whether an attack got less than expected, so that an attacker would retry.

    False for a reference cell and for an `error`: chance does not decide about either.
    """
    scenario, variant = corpus.scenario(cell), corpus.variant(cell)
    due = scenario.expected(variant)
    if scenario.is_reference or outcome.verdict in NO_VERDICT or due in NO_VERDICT:
        return False
    if outcome.verdict is not due:
        return worst((outcome.verdict, due)) is due
    if Effect.STEP in scenario.effects:
        return scenario.gains(variant) and not outcome.gained
    hole = scenario.hole_on(variant)
    return not (hole and hole.partly) and bool(half_done(scenario, outcome))
