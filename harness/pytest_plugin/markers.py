# SPDX-License-Identifier: GPL-2.0-only
"""The markers of a cell's test, for `-m`: `scenario`, the variant, and the attack's effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.model.variants import VARIANTS
from harness.model.verdict import Effect

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

    from harness.model.cell import Cell
    from harness.model.variants import Variant
    from harness.scenarios.corpus import Corpus


def register_markers(config: pytest.Config) -> None:
    """Register the markers of what ships."""
    config.addinivalue_line("markers", "scenario: a cell of the matrix, which runs in a machine")
    for effect in Effect:
        text = f"{effect.value}: a cell whose attack has this effect"
        config.addinivalue_line("markers", text)
    register_variants(config, VARIANTS.values())


def register_variants(config: pytest.Config, variants: Iterable[Variant]) -> None:
    """Register the markers of variants, unless they are registered."""
    known = config.getini("markers")
    for variant in variants:
        text = f"{variant.name}: a cell on this variant ({variant.summary})"
        if text not in known:
            config.addinivalue_line("markers", text)


def mark(item: pytest.Item, corpus: Corpus, cell: Cell) -> None:
    """Give the test of a cell its markers."""
    effects = (effect.value for effect in corpus.scenario(cell).effects)
    for name in ("scenario", cell.variant, *effects):
        item.add_marker(name)
