# SPDX-License-Identifier: GPL-2.0-only
"""From the outcomes of a run to results: no cell counts without its control and references.

Architecture, rules 2 and 3. Nothing here has a default verdict: whatever is missing, doubtful or
contradicts itself is an `error` that says what was missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.model.cell import LACKING, Cell, Outcome
from harness.model.variants import VARIANTS
from harness.model.verdict import Axes, Verdict, worst
from harness.scenarios import REFERENCES, SCENARIOS, Effect

Outcomes = Mapping[Cell, Outcome]

NO_VERDICT = (Verdict.ERROR, Verdict.NOT_APPLICABLE)
"""The two words that say nothing about the handler."""


@dataclass(frozen=True)
class Result:
    """One cell as it is reported: final, judged against its control, references and expectation.

    `axes` is None when nothing was concluded: "not lost" would be a claim of its own.
    `seconds` is the cell's wall time; `hooks` saw the handler during the attack, `refusable` are
    those of them that could have said no; `half` says what is missing of an attack that won;
    `gained` is what it got hold of, `tries` of how many times it won, `rounds` how often it was
    made from a fresh machine.
    """

    cell: Cell
    verdict: Verdict
    axes: Axes | None
    detail: str
    control: str
    control_verdict: Verdict
    seconds: float
    image: str
    attempt_end: str
    half: str
    hooks: tuple[str, ...]
    refusable: tuple[str, ...]
    gained: tuple[str, ...]
    tries: tuple[int, int]
    rounds: int

    @property
    def expected(self) -> Verdict:
        """What the scenario says this variant should give."""
        return SCENARIOS[self.cell.scenario].expected(self.cell.variant)

    @property
    def hole(self) -> str | None:
        """Why this variant loses, if that is a known hole: neither a thread nor a rival has one.

        Nor has a kernel that lacks what the attack takes.
        """
        variant = VARIANTS[self.cell.variant]
        if variant.rival or not variant.handler or self.attempt_end == LACKING:
            return None
        return SCENARIOS[self.cell.scenario].reason(self.cell.variant)

    @property
    def unhooked(self) -> bool:
        """Whether an attack from outside won and no hook could have said no (L5)."""
        scenario = SCENARIOS[self.cell.scenario]
        won = bool(self.gained) or self.verdict not in (*NO_VERDICT, Verdict.HELD)
        return won and not (scenario.inside or scenario.from_host or self.refusable)

    @property
    def doubt(self) -> str:
        """Why a loss is not the one that was expected, though its name is; empty if it is.

        Half an attack confirms nothing, unless the hole is said to let through no more.
        """
        scenario = SCENARIOS[self.cell.scenario]
        hole = scenario.holes.get(self.cell.variant)
        if self.axes and Effect.STEP in scenario.effects:
            if self.gained and not scenario.gains(self.cell.variant):
                return f"it gained {', '.join(self.gained)}"
            if not self.gained and scenario.gains(self.cell.variant):
                return "nothing was gained"
        lost = self.axes is not None and self.verdict is not Verdict.HELD
        if not lost or self.verdict is not scenario.wins or (hole and hole.partly):
            return ""
        return self.half

    @property
    def ok(self) -> bool:
        """Whether it came out as expected; an error never does."""
        if self.verdict is Verdict.NOT_APPLICABLE and self.attempt_end == LACKING:
            return True  # with its reason
        as_expected = self.verdict is not Verdict.ERROR and self.verdict == self.expected
        return as_expected and not self.doubt


def control_of(cell: Cell) -> Cell:
    """Return the cell in which the same attack must win; a reference cell needs no other."""
    if cell.scenario in REFERENCES:
        return cell
    return Cell(cell.line, SCENARIOS[cell.scenario].control, cell.scenario)


def references_of(cell: Cell) -> tuple[Cell, ...]:
    """Return the reference cells of the same variant and line."""
    return tuple(Cell(cell.line, cell.variant, name) for name in REFERENCES)


def rests_on(cell: Cell) -> tuple[Cell, ...]:
    """Return every other cell whose outcome must be known before this one's result is final."""
    control = control_of(cell)
    every = (*references_of(cell), *references_of(control), control)
    return tuple(dict.fromkeys(other for other in every if other != cell))


def is_final(cell: Cell, outcomes: Outcomes) -> bool:
    """Say whether everything that this cell's result rests on has run."""
    return cell in outcomes and all(other in outcomes for other in rests_on(cell))


def conclude(cell: Cell, outcomes: Outcomes) -> Result:
    """Judge a cell that has run; whatever it rests on and has not run makes it an `error`."""
    control = _judge(control_of(cell), outcomes)[0]
    return _result(cell, outcomes[cell], *_judge(cell, outcomes), control_verdict=control)


def is_as_expected(cell: Cell, outcome: Outcome) -> bool:
    """Say whether an outcome is as expected by itself, whatever its control and references gave."""
    verdict, detail = _sound(cell, {cell: outcome})
    due = SCENARIOS[cell.scenario].wins
    return _result(cell, outcome, verdict, detail, control_verdict=due).ok


def _result(
    cell: Cell, outcome: Outcome, verdict: Verdict, detail: str, *, control_verdict: Verdict
) -> Result:
    return Result(
        cell=cell,
        verdict=verdict,
        axes=None if verdict in NO_VERDICT else outcome.axes,
        detail=detail,
        control=control_of(cell).variant,
        control_verdict=control_verdict,
        seconds=outcome.seconds,
        image=outcome.image,
        attempt_end=outcome.attempt_end,
        half=half_done(cell, outcome),
        hooks=outcome.hooks,
        refusable=outcome.refusable,
        gained=outcome.gained,
        tries=outcome.tries,
        rounds=outcome.rounds,
    )


def _judge(cell: Cell, outcomes: Outcomes) -> tuple[Verdict, str]:
    """Return the verdict that may be reported, and its detail."""
    verdict, detail = _sound(cell, outcomes)
    if verdict is Verdict.ERROR:
        return verdict, detail
    doubt = _broken_reference(cell, outcomes) or _lost_control(cell, verdict, outcomes)
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


def _broken_reference(cell: Cell, outcomes: Outcomes) -> str:
    """Say which reference cell of the variant went wrong, if one did."""
    for reference in references_of(cell):
        due = SCENARIOS[reference.scenario].wins
        verdict, detail = _sound(reference, outcomes)
        if verdict is not due:
            said = f": {detail}" if detail else ""
            return (
                f"reference {reference.scenario} of {cell.variant} gave {verdict}, not {due}{said}"
            )
    return ""


def _lost_control(cell: Cell, verdict: Verdict, outcomes: Outcomes) -> str:
    """Say how the control failed to win, if it did: a scenario that wins nowhere proves nothing.

    An `n/a` stands without one: what the attack needs is missing for the control as well.
    """
    control = control_of(cell)
    if control == cell or verdict is Verdict.NOT_APPLICABLE:
        return ""
    scenario = SCENARIOS[cell.scenario]
    won, detail = _judge(control, outcomes)
    if won is not scenario.wins:
        said = f": {detail}" if detail else ""
        return f"control {control.variant} did not win: {won}, not {scenario.wins}{said}"
    half = half_done(control, outcomes[control])
    return f"control {control.variant} did not win: {half}" if half else ""


def half_done(cell: Cell, outcome: Outcome) -> str:
    """Say what is missing of an attack that won by its verdict; empty if nothing is."""
    scenario = SCENARIOS[cell.scenario]
    gainful = Effect.STEP in scenario.effects
    if outcome.verdict is not scenario.wins or (outcome.verdict is Verdict.HELD and not gainful):
        return ""
    if not outcome.carried_out:
        return f"the attack did not get to its end ({outcome.attempt_end})"
    missing = scenario.missing(outcome)
    return f"this was not lost: {missing}" if missing else ""


def falls_short(cell: Cell, outcome: Outcome) -> bool:
    """Say whether an attack got less than it should, so that the attacker would come again.

    Never so for a reference, nor for an `error`: neither has anything to do with luck.
    """
    scenario = SCENARIOS[cell.scenario]
    due = scenario.expected(cell.variant)
    if scenario.is_reference or outcome.verdict in NO_VERDICT or due in NO_VERDICT:
        return False
    if outcome.verdict is not due:
        return worst((outcome.verdict, due)) is due
    if Effect.STEP in scenario.effects:
        return scenario.gains(cell.variant) and not outcome.gained
    hole = scenario.holes.get(cell.variant)
    return not (hole and hole.partly) and bool(half_done(cell, outcome))
