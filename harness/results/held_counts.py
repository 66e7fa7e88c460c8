# SPDX-License-Identifier: GPL-2.0-only
"""How many attacks a variant held, of how many: for each class of attacks of a run (C5, L5).

The README's table and the cover letter of the series both count by `HeldCount`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.host.suggestion import hint_for
from harness.model.verdict import A_STEP, Verdict
from harness.scenarios import REFERENCES
from harness.scenarios.classes import BROUGHT, always_counted, class_of, classes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from harness.results.recorded_run import RecordedRun
    from harness.results.result_line import ResultLine
    from harness.scenarios.corpus import Corpus

CENTRAL = (
    "baseline",
    "seccomp-strict",
    "seccomp-filter",
    "proposal-mark",
    "proposal",
    "selinux",
    "smack",
    "apparmor",
    "yama",
    "bpf-lsm",
    "lockdown",
    "lockdown-confidentiality",
    "isolated",
    "kthread",
    "tsem",
)
"""The variants that are shown if none are named: the policies, and those to compare with."""


DEFINITION = (
    "Held of run: the attacks whose verdict is held, of those with a conclusion. An n/a, an error "
    "and a control that did not win are no conclusion. An attack that was held may have gained a "
    "step, such as an address."
)
"""What the numbers mean, in words that stand beside them."""

NOT_RUN = "not run"
"""The entry for a variant, or a class, without a cell."""


@dataclass(frozen=True)
class HeldCount:
    """The results of some attacks on one variant, counted as `DEFINITION` says."""

    held: int = 0
    """The attacks with the verdict `held`."""

    run: int = 0
    """The attacks with a conclusion: neither `n/a` nor `error`, nor a control that did not win."""

    steps: int = 0
    """The attacks, of those in `held`, that gained a step."""

    not_applicable: int = 0
    """The attacks that are `n/a`."""

    errors: int = 0
    """The attacks that are an error, or a control that did not win."""

    @property
    def cells(self) -> int:
        """All attacks, with a verdict or without."""
        return self.run + self.not_applicable + self.errors

    def __str__(self) -> str:
        """Return the entry of a table: `1 of 2`, or why there is no such number."""
        if self.run:
            return f"{self.held} of {self.run}"
        return "n/a" if self.not_applicable else "error" if self.errors else NOT_RUN

    @classmethod
    def of(cls, lines: Iterable[ResultLine]) -> HeldCount:
        """Count lines. Reference cells attack nothing: the caller leaves them out."""
        every = list(lines)
        applicable = [line for line in every if line.verdict is not Verdict.NOT_APPLICABLE]
        concluded = [line for line in applicable if not line.is_inconclusive]
        held = [line for line in concluded if line.verdict is Verdict.HELD]
        return cls(
            held=len(held),
            run=len(concluded),
            steps=sum(A_STEP in line.lost for line in held),
            not_applicable=len(every) - len(applicable),
            errors=len(applicable) - len(concluded),
        )


BELOW: dict[str, Callable[[HeldCount], int]] = {
    "held, and gained a step": lambda count: count.steps,
    "not counted: n/a": lambda count: count.not_applicable,
    "not counted: error": lambda count: count.errors,
}
"""The rows below the total of a table, and their numbers."""


@dataclass(frozen=True)
class HeldByClass:
    """A run by classes and variants; `total` has no entry for a variant that was not run."""

    run: RecordedRun
    corpus: Corpus
    variants: tuple[str, ...]
    rows: Mapping[str, Mapping[str, HeldCount]]
    total: Mapping[str, HeldCount]
    others: Mapping[str, RecordedRun] = field(default_factory=dict)
    """For a variant that the run does not have: another run, which gives its numbers."""

    @property
    def not_shown(self) -> list[str]:
        """The variants of the run that the table does not show."""
        there = dict.fromkeys(cell.variant for cell in self.run.cells)
        return [name for name in there if name not in self.variants]

    @property
    def partly(self) -> dict[str, int]:
        """The variants on which some attacks of the corpus were not made, and how many were."""
        attacks = len(self.corpus.scenarios.keys() - set(REFERENCES))
        return {name: one.cells for name, one in self.total.items() if one.cells < attacks}


def count_by_class(
    run: RecordedRun,
    corpus: Corpus,
    variants: Sequence[str] = (),
    *,
    others: Sequence[RecordedRun] = (),
) -> HeldByClass:
    """Count a run's attacks by class, on the variants named, or on those of `CENTRAL` if none is.

    A variant that the run does not have is counted from the first of the `others` that has it.
    Raises UserError for a variant that neither a run nor the harness knows.
    """
    shown = tuple(dict.fromkeys(variants)) or CENTRAL
    found = _by_variant(run)
    given: dict[str, RecordedRun] = {}
    for other in others:
        for name, lines in _by_variant(other).items():
            if name in shown and name not in found:
                found[name], given[name] = lines, other
    for name in variants:
        if name not in found and name not in (*corpus.variants, *CENTRAL):
            raise UserError(
                f"there is no variant {name}, neither in the run {run.name} nor here",
                hint=hint_for(name, found, otherwise=f"the run has {', '.join(found)}"),
            )
    always = always_counted()
    names = [
        name
        for name in (*classes(), BROUGHT)
        if name in always or any(name in of for of in found.values())
    ]
    there = [variant for variant in shown if variant in found]
    return HeldByClass(
        run=run,
        corpus=corpus,
        variants=shown,
        rows={
            name: {variant: HeldCount.of(found[variant].get(name, ())) for variant in there}
            for name in names
        },
        total={
            variant: HeldCount.of(one for cells in found[variant].values() for one in cells)
            for variant in there
        },
        others=given,
    )


def _by_variant(run: RecordedRun) -> dict[str, dict[str, list[ResultLine]]]:
    """Return the lines of the attacks, by variant and class."""
    found: dict[str, dict[str, list[ResultLine]]] = {}
    for cell, one in run.cells.items():
        of_variant = found.setdefault(cell.variant, {})
        if cell.scenario not in REFERENCES:
            of_variant.setdefault(class_of(cell.scenario), []).append(one)
    return found
