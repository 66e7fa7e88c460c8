# SPDX-License-Identifier: GPL-2.0-only
"""The conclusion from outcomes to results: no cell counts without control and references.

Rules 2 and 3. There is no default verdict. An outcome that is missing, doubtful or contradictory
is an `error` with its reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.judge.controls import control_of, references_of
from harness.judge.expectations import half_done, has_won
from harness.judge.result import NO_VERDICT, Result
from harness.model.cell import Cell, Outcome
from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from harness.scenarios.corpus import Corpus

Outcomes = Mapping[Cell, Outcome]


def conclude(corpus: Corpus, cell: Cell, outcomes: Outcomes) -> Result:
    """Judge a cell that has run. It is an `error` if its control or a reference has not run."""
    control = _judge(corpus, control_of(corpus, cell), outcomes)[0]
    judged = _judge(corpus, cell, outcomes)
    return _result(corpus, cell, outcomes[cell], *judged, control_verdict=control)


def is_as_expected(corpus: Corpus, cell: Cell, outcome: Outcome) -> bool:
    """Whether an outcome by itself is as expected, without its control and references."""
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
        kept=outcome.kept,
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
    """Return the verdict and detail of a cell alone; an `error` if they contradict each other."""
    outcome = outcomes.get(cell)
    if outcome is None:
        return Verdict.ERROR, f"{cell.id} was not run"
    verdict = outcome.verdict
    if verdict is Verdict.ERROR:
        return verdict, outcome.detail or "an error without a reason"
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
    """Return which reference cell of the variant failed, and how; empty if none did."""
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
    """Return why the control did not win, empty if it did. Without a win it proves nothing.

    An `n/a` needs no control, because the control would lack the same.
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
    if half:
        return f"control {control.variant} did not win: {half}"
    due, made = outcomes[control].rounds, outcomes[cell].rounds
    if made < due and not has_won(scenario, outcomes[cell]):
        return f"control {control.variant} won in round {due}, and this cell had {made}"
    return ""
