# SPDX-License-Identifier: GPL-2.0-only
"""A line of results.jsonl: all that reports say of one cell, without the corpus of that time."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from harness.judge.result import NO_VERDICT, Result
from harness.model.attempt_end import AttemptEnd
from harness.model.cell import Cell
from harness.model.verdict import A_STEP, Axes, Effect, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.scenarios.corpus import Corpus
    from harness.scenarios.registry import Scenario

SCHEMA = 10
"""Changes with the fields of results.jsonl or run.json, and with their meaning."""

READABLE = (9, SCHEMA)
"""The schemas that this version reads: what 9 lacks has a default."""


class Control(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """The cell in which the same attack must win, so that this cell proves something."""

    variant: str
    """The variant of the control; for a control and for a reference cell, their own."""

    verdict: Verdict
    """The verdict of the control, judged against its own reference cells."""


class ResultLine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One cell, final: judged against its control, its references and its expectation."""

    schema: int
    """The version of these fields, `SCHEMA`."""

    line: str
    """The kernel line, such as `6.12`, or the name of the user's kernel."""

    variant: str
    """The variant (harness/model/variants.py)."""

    scenario: str
    """The scenario: the attack, or one of the two references."""

    effect: Effect
    """The effect that the scenario sets out to have."""

    surface: str
    """The row of the attack surface that the scenario tries (harness/scenarios/surface.toml)."""

    answers: tuple[str, ...]
    """The requirements that the scenario answers (docs/reference/requirements.md)."""

    control: Control
    """The control, and what it gave."""

    verdict: Verdict
    """The verdict; `error` also where the control or a reference did not give theirs."""

    axes: Axes | None
    """What was lost, axis by axis; null for `n/a` and `error`, which conclude nothing."""

    detail: str
    """The particulars of the verdict. They may quote the guest."""

    expected: Verdict
    """The verdict that the scenario declared for this variant when the cell ran."""

    ok: bool
    """Whether the cell came out as expected; never true for an `error`."""

    known_hole: str | None
    """Why the scenario expects this variant to lose; null where it declares no known hole."""

    hooks: tuple[str, ...]
    """The `security_*` functions that were called on the handler during the attack."""

    refusable: tuple[str, ...]
    """Those of `hooks` that can deny the call."""

    gained: tuple[str, ...]
    """What the attack got hold of that other attacks need, such as an address."""

    tries: tuple[int, int]
    """How many tries of a race were won, and how many were made, by the attacker's account."""

    rounds: int
    """How many times the attack was made, each from a fresh machine."""

    seconds: float
    """Wall time of the cell in seconds, from the machine's start to its end."""

    image: str
    """The key of the kernel image."""

    witness: str
    """The file of the witness's tallies, relative to the run's folder."""

    attempt: str
    """The file of the attacker's system calls, relative to the run's folder."""

    attempt_end: str
    """How the attack ended, by the attacker's own account; evidence, never a verdict."""

    half: str
    """What is missing of an attack that won by its verdict; empty if nothing is."""

    kept: str = ""
    """The name of the run in which the cell ran, if `run --since` has it from there."""

    def __post_init__(self) -> None:
        """Raise ValueError for a line of another version or one that contradicts itself."""
        if self.schema not in READABLE:
            raise ValueError(f"schema {self.schema}, and this version reads {SCHEMA}")
        own = None if self.axes is None else self.axes.verdict
        due = None if self.verdict in NO_VERDICT else self.verdict
        if own is not due:
            raise ValueError(f"{self.cell.id} is {self.verdict}, and its axes say otherwise")

    @property
    def cell(self) -> Cell:
        """The cell that the line is about."""
        return Cell(self.line, self.variant, self.scenario)

    @property
    def lost(self) -> frozenset[str]:
        """The names of the axes that were lost, and `A_STEP` if the attack gained something."""
        if self.axes is None:
            return frozenset()
        axes = {name for name, is_lost in vars(self.axes).items() if is_lost}
        return frozenset(axes | ({A_STEP} if self.gained else set()))

    @property
    def is_control(self) -> bool:
        """Whether the cell is a control, or a reference cell, which is its own control."""
        return self.control.variant == self.variant

    @property
    def is_inconclusive(self) -> bool:
        """Whether it concludes nothing: an error, or a control that did not come out as it must."""
        return self.verdict is Verdict.ERROR or (self.is_control and not self.ok)

    def is_unhooked(self, scenario: Scenario | None) -> bool:
        """Whether an attack from outside won and passed no LSM hook able to deny it (L5).

        `scenario` is None if the corpus does not have it; the attack then counts as from outside.
        """
        is_exempt = scenario is not None and (scenario.inside or scenario.from_host)
        return bool(self.lost) and not (is_exempt or self.refusable)

    @property
    def is_skipped(self) -> bool:
        """Whether it is an expected `n/a`, which other tools call skipped."""
        return self.ok and self.verdict is Verdict.NOT_APPLICABLE


NOT_KEPT: Mapping[str, Any] = MappingProxyType(
    {
        "detail": "",
        "known_hole": None,
        "hooks": (),
        "refusable": (),
        "gained": (),
        "tries": (0, 0),
        "rounds": 1,
        "seconds": 0.0,
        "image": "",
        "witness": "",
        "attempt": "",
        "attempt_end": "",
        "half": "",
    }
)
"""What stands for the particulars of a result of which only the verdict is kept."""


def line_of(result: Result) -> ResultLine:
    """Return the line that stands for a result."""
    cell, scenario = result.cell, result.scenario
    return ResultLine(
        schema=SCHEMA,
        line=cell.line,
        variant=cell.variant,
        scenario=cell.scenario,
        effect=scenario.effect,
        surface=scenario.surface,
        answers=scenario.answers,
        control=Control(variant=result.control, verdict=result.control_verdict),
        verdict=result.verdict,
        axes=result.axes,
        detail=_paired(result.detail),
        expected=result.expected,
        ok=result.ok,
        known_hole=result.hole,
        hooks=result.hooks,
        refusable=result.refusable,
        gained=result.gained,
        tries=result.tries,
        rounds=result.rounds,
        seconds=round(result.seconds, 3),
        image=result.image,
        witness=f"cells/{cell.id}/witness.json",
        attempt=f"cells/{cell.id}/attempt.json",
        attempt_end=_paired(str(result.attempt_end)),
        half=result.half,
        kept=result.kept,
    )


def result_of(line: ResultLine, corpus: Corpus) -> Result:
    """Return the result that a line stands for: the inverse of `line_of`.

    The corpus must be that of the run. Raises KeyError if it has not the scenario.
    """
    return Result(
        cell=line.cell,
        scenario=corpus.scenario(line.cell),
        variant=corpus.variants[line.variant],
        verdict=line.verdict,
        axes=line.axes,
        detail=line.detail,
        control=line.control.variant,
        control_verdict=line.control.verdict,
        seconds=line.seconds,
        image=line.image,
        attempt_end=AttemptEnd.parse(line.attempt_end),
        half=line.half,
        hooks=line.hooks,
        refusable=line.refusable,
        gained=line.gained,
        tries=line.tries,
        rounds=line.rounds,
        kept=line.kept,
    )


def _paired(text: str) -> str:
    """Return text with lone surrogates written out: many programs that read JSON refuse them."""
    return text.encode(errors="backslashreplace").decode()
