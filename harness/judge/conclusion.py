# SPDX-License-Identifier: GPL-2.0-only
"""From the outcomes of cells to results: no cell counts without its control and references.

Rules 2 and 3. Nothing here has a default verdict: an outcome that is missing, doubtful or
contradicts itself is an `error` that names the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.judge.controls import control_of, references_of
from harness.judge.expectations import half_done
from harness.judge.result import NO_VERDICT, Result
from harness.model.cell import Cell, Outcome
from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from harness.scenarios.corpus import Corpus

Outcomes = Mapping[Cell, Outcome]


def conclude(corpus: Corpus, cell: Cell, outcomes: Outcomes) -> Result:
    """Judge a cell that has run; a cell that it rests on and that has not run makes an `error`."""
    control = _judge(corpus, control_of(corpus, cell), outcomes)[0]
    judged = _judge(corpus, cell, outcomes)
    return _result(corpus, cell, outcomes[cell], *judged, control_verdict=control)


def is_as_expected(corpus: Corpus, cell: Cell, outcome: Outcome) -> bool:
    """Say whether an outcome is as expected by itself, without its control and references."""
    verdict, detail = _sound(cell, {cell: outcome})
    due = corpus.scenario(cell).wins
    return _result(corpus, cell, outcome, verdict, detail, control_verdict=due).ok


def _result(
    corpus: Corpus,
    cell: Cell,
    outcome: Outcome,
    verdict: Verdict,
    detail: str,
    *,
    control_verdict: Verdict,
) -> Result:
    scenario = corpus.scenario(cell)
    return Result(
        cell=cell,
        scenario=scenario,
        variant=corpus.variant(cell),
        verdict=verdict,
        axes=None if verdict in NO_VERDICT else outcome.axes,
        detail=detail,
        control=control_of(corpus, cell).variant,
        control_verdict=control_verdict,
        seconds=outcome.seconds,
        image=outcome.image,
        attempt_end=outcome.attempt_end,
        half=half_done(scenario, outcome),
        hooks=outcome.hooks,
        refusable=outcome.refusable,
        gained=outcome.gained,
        tries=outcome.tries,
        rounds=outcome.rounds,
    )


def _judge(corpus: Corpus, cell: Cell, outcomes: Outcomes) -> tuple[Verdict, str]:
    """Return the verdict that may be reported, and its detail."""
    verdict, detail = _sound(cell, outcomes)
    if verdict is Verdict.ERROR:
        return verdict, detail
    doubt = _broken_reference(corpus, cell, outcomes) or _lost_control(
        corpus, cell, verdict, outcomes
    )
    if doubt:
        gave = f"; this cell gave {verdict}" + (f" ({detail})" if detail else "")
        return Verdict.ERROR, doubt + gave
    return verdict, detail


def _sound(cell: Cell, outcomes: Outcomes) -> tuple[Verdict, str]:
    """Return what a cell gave by itself, if the outcome agrees with itself."""
    outcome = outcomes.get(cell)
    if outcome is None:
        return Verdict.ERROR, f"{cell.id} was not run"
    verdict = outcome.verdict
    if verdict is Verdict.ERROR:
        return verdict, outcome.detail or "an error without a word about it"
    if verdict is Verdict.NOT_APPLICABLE:
        if outcome.detail.strip():
            return verdict, outcome.detail
        return Verdict.ERROR, "n/a without a reason"
    if verdict is not outcome.axes.verdict:
        return Verdict.ERROR, f"verdict {verdict}, but its axes say {outcome.axes.verdict}"
    if not outcome.witness:
        return Verdict.ERROR, f"verdict {verdict} without a witness"
    return verdict, outcome.detail


def _broken_reference(corpus: Corpus, cell: Cell, outcomes: Outcomes) -> str:
    """Say which reference cell of the variant went wrong, if one did."""
    for reference in references_of(cell):
        due = corpus.scenario(reference).wins
        verdict, detail = _sound(reference, outcomes)
        if verdict is not due:
            said = f": {detail}" if detail else ""
            return (
                f"reference {reference.scenario} of {cell.variant} gave {verdict}, not {due}{said}"
            )
    return ""


def _lost_control(corpus: Corpus, cell: Cell, verdict: Verdict, outcomes: Outcomes) -> str:
    """Say how the control failed to win, if it did: a scenario that wins nowhere proves nothing.

    An `n/a` stands without one: what the attack needs is missing for the control as well.
    """
    control = control_of(corpus, cell)
    if control == cell or verdict is Verdict.NOT_APPLICABLE:
        return ""
    scenario = corpus.scenario(cell)
    won, detail = _judge(corpus, control, outcomes)
    if won is not scenario.wins:
        said = f": {detail}" if detail else ""
        return f"control {control.variant} did not win: {won}, not {scenario.wins}{said}"
    half = half_done(scenario, outcomes[control])
    return f"control {control.variant} did not win: {half}" if half else ""
