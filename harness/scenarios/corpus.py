# SPDX-License-Identifier: GPL-2.0-only
"""The corpus as a value: the scenarios and the variants that a command works with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.host.suggestion import hint_for
from harness.model.handlers import DEFAULT_HANDLER, HANDLERS
from harness.model.variants import VARIANTS
from harness.scenarios import EVERY, SCENARIOS, STAKES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.model.cell import Cell
    from harness.model.variants import Variant
    from harness.scenarios.registry import Scenario


@dataclass(frozen=True)
class Corpus:
    """Scenarios and variants by their names: those that ship, and those that a user brings."""

    scenarios: Mapping[str, Scenario]
    variants: Mapping[str, Variant]
    handler: str = DEFAULT_HANDLER
    """The name of the handler that the variants have."""

    derived: dict[object, str] = field(init=False, default_factory=dict, compare=False, repr=False)
    """Texts that others have made of the corpus, to make each once."""

    def scenario(self, cell: Cell) -> Scenario:
        """Return the cell's scenario, with the holes of the cell's kernel line."""
        return self.scenarios[cell.scenario].on_line(cell.line)

    def variant(self, cell: Cell) -> Variant:
        """Return the cell's variant."""
        return self.variants[cell.variant]

    def with_scenarios(self, brought: Mapping[str, Scenario]) -> Corpus:
        """Return the corpus with further scenarios. Raises UserError for a name that is taken."""
        for name, scenario in brought.items():
            if name in self.scenarios or name in EVERY:
                code = scenario.attack.__code__
                raise UserError(
                    f"{code.co_filename}:{code.co_firstlineno}: there is a scenario {name} already",
                    hint="give yours another name",
                )
        return replace(self, scenarios=MappingProxyType({**self.scenarios, **brought}))

    def with_variants(self, brought: Mapping[str, Variant]) -> Corpus:
        """Return the corpus with further variants."""
        return replace(self, variants=MappingProxyType({**self.variants, **brought}))

    @property
    def on_other_handlers(self) -> dict[str, str]:
        """The scenarios that exist only for another handler, and its name."""
        return {
            scenario: handler
            for handler, scenarios in STAKES.items()
            for scenario in scenarios.keys() - self.scenarios.keys()
        }

    def with_handler(self, name: str) -> Corpus:
        """Return the corpus with another handler on all variants, and the scenarios for it.

        Raises UserError.
        """
        if name == self.handler:
            return self
        if name not in HANDLERS:
            raise UserError(f"there is no handler {name!r}", hint=hint_for(name, HANDLERS))
        kind = HANDLERS[name]
        variants = {one: variant.with_handler(kind) for one, variant in self.variants.items()}
        scenarios = {**self.scenarios, **STAKES.get(name, {})}
        return replace(
            self,
            scenarios=MappingProxyType(scenarios),
            variants=MappingProxyType(variants),
            handler=name,
        )


SHIPPED = Corpus(SCENARIOS, VARIANTS)
"""What the package itself holds."""
