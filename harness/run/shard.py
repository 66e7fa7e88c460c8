# SPDX-License-Identifier: GPL-2.0-only
"""Shards: the chosen cells divided among machines that do not know of each other.

A scenario is never divided, so that each control is in the shard of its cells. The machines agree
because nothing of the host takes part: the same cells and the same figures give the same shards.
The record of the shard has a hash of the division, by which a merge knows whether they agreed.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from statistics import median
from typing import TYPE_CHECKING, Self

from harness.host.errors import UserError
from harness.judge.controls import closure
from harness.results.shard_record import ShardRecord
from harness.scenarios import REFERENCES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.model.cell import Cell
    from harness.scenarios.corpus import Corpus

_MILLISECONDS = 1000
_UNKNOWN = 1.0  # seconds of a cell if no scenario's are known


@dataclass(frozen=True)
class Shard:
    """The number of a shard, from 1, and how many there are."""

    number: int
    of: int

    def __str__(self) -> str:
        """Return it as `parse` takes it."""
        return f"{self.number}/{self.of}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the shard `I/N`. Raises UserError."""
        number, slash, of = text.partition("/")
        if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
            raise UserError(f"{text!r} is no shard", hint="give I/N with I up to N, such as 2/4")
        return cls(int(number), int(of))


@dataclass(frozen=True)
class PlannedShard:
    """The cells of one shard, in their order, and its record."""

    cells: list[Cell]
    record: ShardRecord


def planned(
    shard: Shard, corpus: Corpus, chosen: Sequence[Cell], seconds: Mapping[str, float]
) -> PlannedShard:
    """Return the shard of the chosen cells. `seconds` has those of a cell of some scenarios."""
    numbers = _numbers(corpus, chosen, shard.of, seconds)
    lines = sorted(f"{numbers[cell.scenario]} {cell.id}\n" for cell in chosen)
    record = ShardRecord(
        number=shard.number,
        of=shard.of,
        filled=tuple(sorted(set(numbers.values()))),
        plan=sha256("".join(lines).encode()).hexdigest(),
    )
    cells = [cell for cell in chosen if numbers[cell.scenario] == shard.number]
    return PlannedShard(cells, record)


def _numbers(
    corpus: Corpus, chosen: Sequence[Cell], of: int, seconds: Mapping[str, float]
) -> dict[str, int]:
    """Return the shard of each scenario: the longest first, each to the shard with least to do."""
    weights = _weights(corpus, chosen, seconds)
    loads = dict.fromkeys(range(1, of + 1), 0)
    numbers = {}
    for name in sorted(weights, key=lambda name: (-weights[name], name)):
        number = min(loads, key=lambda number: (loads[number], number))
        numbers[name] = number
        loads[number] += weights[name]
    return numbers


def _weights(
    corpus: Corpus, chosen: Sequence[Cell], seconds: Mapping[str, float]
) -> dict[str, int]:
    """Return the milliseconds of each scenario's cells, controls included: whole numbers."""
    otherwise = median(seconds.values()) if seconds else _UNKNOWN
    own = set(chosen)
    weights = {cell.scenario: 0 for cell in chosen}
    for cell in closure(corpus, chosen):
        # A reference cell that was not chosen runs in each shard that needs it.
        if cell in own or cell.scenario not in REFERENCES:
            taken = seconds.get(cell.scenario, otherwise)
            weights[cell.scenario] += round(taken * _MILLISECONDS)
    return weights
