# SPDX-License-Identifier: GPL-2.0-only
"""The cells of the matrix: every scenario on every variant that an engine boots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.engines import ENGINES, MICROVM
from harness.host.errors import UserError
from harness.host.suggestion import hint_for
from harness.kernel.series.lines import DEFAULT_LINE
from harness.model.cell import Cell
from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.model.variants import Variant
    from harness.scenarios.corpus import Corpus

_IMPOSSIBLE_HOLES = (Verdict.HELD, Verdict.ERROR)


def all_cells(
    corpus: Corpus,
    line: str = DEFAULT_LINE,
    variants: Sequence[str] = (),
    *,
    engine: str = MICROVM.name,
) -> list[Cell]:
    """Return the cells of every scenario on the named variants, or on all that the engine boots.

    A user's attack runs on a rival only if the rival is named: its expectation is not measured.
    Raises UserError as `check_corpus` and `check_variants` do.
    """
    check_corpus(corpus)
    check_variants(corpus, variants, engine=engine)
    return [
        Cell(line, variant.name, scenario.name)
        for variant in corpus.variants.values()
        if variant.name in (variants or corpus.variants) and _boots(engine, variant)
        for scenario in corpus.scenarios.values()
        if variant.name in variants or not (variant.is_measured and scenario.origin)
    ]


def check_variants(corpus: Corpus, names: Iterable[str], *, engine: str = MICROVM.name) -> None:
    """Raise UserError for a variant that is not there, or not on this engine."""
    for name in names:
        variant = corpus.variants.get(name)
        if variant is None:
            hint = hint_for(name, corpus.variants)
            raise UserError(f"there is no variant {name!r}", hint=hint)
        if not _boots(engine, variant):
            raise UserError(
                f"--engine {engine} does not load the policy of {name}",
                hint=f"take --engine {MICROVM.name}",
            )


def _boots(engine: str, variant: Variant) -> bool:
    """Whether an engine's guests load the policy of the variant. Only rivals have one."""
    return variant.rival is None or variant.rival.module in ENGINES[engine].policies


def check_corpus(corpus: Corpus) -> None:
    """Raise UserError for a scenario that names an unknown variant, or lacks a reason."""
    for scenario in corpus.scenarios.values():
        named = (*scenario.holes, *scenario.denied_by, *scenario.not_applicable)
        for variant in (scenario.control, *named):
            if variant not in corpus.variants:
                known = ", ".join(corpus.variants)
                raise UserError(
                    f"scenario {scenario.name} names the unknown variant {variant!r}",
                    hint=f"take one of: {known}",
                )
        for variant, hole in scenario.holes.items():
            impossible = hole.verdict in _IMPOSSIBLE_HOLES and hole.verdict is not scenario.wins
            if impossible or not hole.reason.strip():
                raise UserError(
                    f"scenario {scenario.name} has a hole on {variant} without a loss or a reason",
                    hint="give the verdict of the loss, and why the variant loses",
                )
        for variant, reason in scenario.not_applicable.items():
            if not reason.strip():
                raise UserError(
                    f"scenario {scenario.name} is n/a on {variant} without a reason",
                    hint="say what the variant lacks",
                )
