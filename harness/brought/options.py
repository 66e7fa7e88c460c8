# SPDX-License-Identifier: GPL-2.0-only
"""Scenario files and attack programs from the command line, with the options of the programs.

Without `-k`, only their cells run. With `-k`, their cells run beside the matching cells,
unless some of their own cells match.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.model.handlers import DEFAULT_HANDLER

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.model.cell import Cell
    from harness.scenarios.corpus import Corpus

EFFECTS = ("integrity", "availability", "confidentiality")

_FUNCTION = re.compile(r"[A-Za-z_][\w.]*")


@dataclass(frozen=True)
class Brought:
    """The files that a user brings, and the options of the programs among them.

    An option that was not given is None.
    """

    scenario_files: Sequence[Path] = ()
    attacks: Sequence[Path] = ()
    effect: str | None = None
    reach: str | None = None
    no_target: str | None = None
    seconds: int | None = None

    def checked(self) -> Brought:
        """Return the object itself. Raises UserError for options that contradict each other."""
        if not self.attacks and (said := self.words()):
            raise UserError(
                f"{said[0]} needs an attack program", hint="name the program with --attack"
            )
        for name in (self.reach, self.no_target):
            if name is not None and not _FUNCTION.fullmatch(name):
                raise UserError(
                    f"{name!r} is not the name of a kernel function",
                    hint="for example security_ptrace_access_check",
                )
        return self

    @property
    def files(self) -> list[Path]:
        """All files that were brought."""
        return [*self.scenario_files, *self.attacks]

    def words(self) -> list[str]:
        """Return the options of the programs, as on the command line."""
        said = {
            "--effect": self.effect,
            "--attack-reach": self.reach,
            "--attack-no-target": self.no_target,
            "--attack-timeout": self.seconds,
        }
        return [w for name, value in said.items() if value is not None for w in (name, str(value))]

    def added_to(self, corpus: Corpus) -> Corpus:
        """Return the corpus with the scenarios of the files. Raises UserError."""
        if not self.files:
            return corpus
        from harness.brought.attack_program import PROGRAM_SECONDS, attack_program
        from harness.brought.scenario_files import load_scenario_files
        from harness.scenarios import Effect
        from harness.scenarios.registry import collecting

        corpus = load_scenario_files(self.scenario_files, corpus)
        for path in self.attacks:
            with collecting() as found:
                attack_program(
                    path,
                    effect=Effect(self.effect or EFFECTS[0]),
                    reach=self.reach,
                    no_target=self.no_target,
                    seconds=self.seconds or PROGRAM_SECONDS,
                )
            origin = ("--attack", str(path), *self.words())
            corpus = corpus.with_scenarios(
                {name: replace(scenario, origin=origin) for name, scenario in found.items()}
            )
        return corpus


def corpus_with(
    brought: Brought, variant_files: Sequence[Path] = (), handler: str = DEFAULT_HANDLER
) -> Corpus:
    """Return the shipped corpus with the user's own attacks and variants. Raises UserError.

    All variants have the `handler` of that name.

    Scenario files are executed.
    """
    from harness.brought.variant_files import load_variant_files
    from harness.scenarios.corpus import SHIPPED

    return load_variant_files(variant_files, brought.added_to(SHIPPED)).with_handler(handler)


def own_variants(corpus: Corpus) -> tuple[str, ...]:
    """Return the names of the user's own variants."""
    return tuple(variant.name for variant in corpus.variants.values() if variant.origin)


def brought_or_all(cells: Sequence[Cell], corpus: Corpus, expression: str | None) -> list[Cell]:
    """Return the cells to choose from: all for an expression, else those of the user's scenarios.

    If the user brought no scenarios, return all cells.
    """
    brought = [cell for cell in cells if corpus.scenario(cell).origin]
    return list(cells) if expression or not brought else brought


def with_brought(chosen: Sequence[Cell], cells: Sequence[Cell], corpus: Corpus) -> list[Cell]:
    """Return the chosen cells, and those of the user's files that have no chosen cell, in order.

    So no expression leaves out a file of the user.
    """
    named = {corpus.scenario(cell).origin for cell in chosen}
    taken = set(chosen)
    return [
        cell
        for cell in cells
        if cell in taken or ((origin := corpus.scenario(cell).origin) and origin not in named)
    ]


def not_run(chosen: Sequence[Cell], corpus: Corpus) -> list[str]:
    """Return the names of the user's scenarios that have no chosen cell."""
    named = {cell.scenario for cell in chosen}
    return [one.name for one in corpus.scenarios.values() if one.origin and one.name not in named]
