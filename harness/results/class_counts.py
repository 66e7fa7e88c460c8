# SPDX-License-Identifier: GPL-2.0-only
"""A kept run counted: of each class of attacks, how many each variant held (C5, L5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.model.verdict import Verdict
from harness.scenarios import REFERENCES
from harness.scenarios.classes import BROUGHT, class_of, classes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.results.kept_run import Found, KeptRun
    from harness.scenarios.corpus import Corpus

CENTRAL = (
    "baseline",
    "seccomp-strict",
    "seccomp-filter",
    "selinux",
    "smack",
    "isolated",
    "kthread",
    "tsem",
)
"""The variants that are shown if none are named: the policies, and what they are held against."""


@dataclass(frozen=True)
class Count:
    """What became of some attacks on one variant.

    `held` of `run` came out as held, which leaves out those without a verdict: `not_applicable`,
    and `errors`, a control that did not win included. `steps` of the held gained a step.
    """

    held: int = 0
    run: int = 0
    steps: int = 0
    not_applicable: int = 0
    errors: int = 0

    @property
    def cells(self) -> int:
        """All that there are, with a verdict or without."""
        return self.run + self.not_applicable + self.errors

    @classmethod
    def of(cls, cells: Iterable[Found]) -> Count:
        """Count the cells; reference cells are the caller's to leave out."""
        every = list(cells)
        applicable = [one for one in every if one.verdict is not Verdict.NOT_APPLICABLE]
        judged = [one for one in applicable if not one.says_nothing]
        held = [one for one in judged if one.verdict is Verdict.HELD]
        return cls(
            held=len(held),
            run=len(judged),
            steps=sum("a step" in one.lost for one in held),
            not_applicable=len(every) - len(applicable),
            errors=len(applicable) - len(judged),
        )


@dataclass(frozen=True)
class ClassCounts:
    """A run by classes and variants; `total` has no entry for a variant that was not run."""

    run: KeptRun
    corpus: Corpus
    variants: tuple[str, ...]
    rows: Mapping[str, Mapping[str, Count]]
    total: Mapping[str, Count]

    @property
    def not_shown(self) -> list[str]:
        """The variants of the run that nobody asked for."""
        there = dict.fromkeys(cell.variant for cell in self.run.cells)
        return [name for name in there if name not in self.variants]

    @property
    def partly(self) -> dict[str, int]:
        """The variants on which not all attacks of the corpus were made, and on how many."""
        attacks = len(self.corpus.scenarios.keys() - set(REFERENCES))
        return {name: one.cells for name, one in self.total.items() if one.cells < attacks}


def count_classes(run: KeptRun, corpus: Corpus, variants: Sequence[str] = ()) -> ClassCounts:
    """Count a run's attacks, by class, on the variants named; on those of `CENTRAL` if none are.

    Raises UserError for a variant that neither the run nor the harness knows.
    """
    found: dict[str, dict[str, list[Found]]] = {}
    for cell, one in run.cells.items():
        of_variant = found.setdefault(cell.variant, {})
        if cell.scenario not in REFERENCES:
            of_variant.setdefault(class_of(cell.scenario), []).append(one)
    for name in variants:
        if name not in found and name not in (*corpus.variants, *CENTRAL):
            raise UserError(
                f"there is no variant {name}, neither in the run {run.name} nor here",
                hint=f"the run has {', '.join(found)}",
            )
    shown = tuple(dict.fromkeys(variants)) or CENTRAL
    names = [*classes(), *([BROUGHT] if any(BROUGHT in of for of in found.values()) else [])]
    there = [variant for variant in shown if variant in found]
    return ClassCounts(
        run=run,
        corpus=corpus,
        variants=shown,
        rows={
            name: {variant: Count.of(found[variant].get(name, ())) for variant in there}
            for name in names
        },
        total={
            variant: Count.of(one for cells in found[variant].values() for one in cells)
            for variant in there
        },
    )
