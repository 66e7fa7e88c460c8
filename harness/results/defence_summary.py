# SPDX-License-Identifier: GPL-2.0-only
"""What `umd-harness defences` has measured, in one file that a repository can keep."""

from __future__ import annotations

from statistics import mean
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from harness.host.files import write_atomically
from harness.results.records import json_text, read_record

if TYPE_CHECKING:
    from pathlib import Path

DEFENCES_SCHEMA = 5
"""Changes with the fields of the file, and with their meaning."""

_HINT = "write it again: umd-harness defences --output FILE"


class Alone(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What each defence holds alone: the attacks that win when only this one is left out."""

    line: str
    """The kernel line."""

    image: str
    """The key of the kernel image, or its start."""

    attacks: tuple[str, ...]
    """The attacks that were made, without each of the defences."""

    won: dict[str, dict[str, str]]
    """By defence and attack: the verdict without the defence, or `a step`."""


class Enough(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The smallest sets of defences that are enough for a goal (harness/studies/enough.py)."""

    line: str
    """The kernel line."""

    image: str
    """The key of the kernel image, or its start."""

    run: str
    """The name of the study, whose folder has every cell that was run."""

    sets: tuple[tuple[str, ...], ...]
    """The minimal sets that were found, the smallest first."""

    is_all: bool
    """Whether there is no other minimal set, if fewer defences never hold more attacks."""

    needs: dict[str, str]
    """For each defence of the first set, an attack that wins if it is left out of that set."""

    allowed: tuple[str, ...]
    """The attacks that win on `kthread` or with all defences on, and so may win."""

    decisive: int
    """How many attacks can decide: they win without any defence and may not win."""

    cells: int
    """How many cells were run."""

    confirmed: bool
    """Whether a run of every attack on the first set came to the same conclusion."""


class RoundTrips(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What each defence costs a round trip: `isolated`, compared with `isolated` without it."""

    line: str
    """The kernel line."""

    image: str
    """The key of the kernel image."""

    trips: int
    """How many trips of each machine were counted."""

    whole: tuple[int, ...] = ()
    """The instructions of the middle trip with all defences, on each of several machines."""

    without: dict[str, int] = {}
    """By defence: the instructions of the middle trip without it."""

    def with_count(self, defence: str, instructions: int) -> RoundTrips:
        """Return the same with another machine: one without a defence, or with all if it is ""."""
        if not defence:
            return structs.replace(self, whole=(*self.whole, instructions))
        return structs.replace(self, without={**self.without, defence: instructions})

    def cost(self, defence: str) -> float:
        """Return the part by which the defence makes a trip longer; negative: shorter.

        It is rounded to a thousandth: like machines differ by more.
        """
        return round(mean(self.whole) / self.without[defence] - 1, 3) + 0.0  # no -0.0

    @property
    def spread(self) -> float:
        """The part by which trips of machines with all defences differ at most."""
        return max(self.whole) / min(self.whole) - 1


class SearchResult(Struct, frozen=True, forbid_unknown_fields=True):
    """The result of a campaign on a variant that lacks one defence."""

    programs: int
    """How many programs ran, with a conclusion, until a finding counted or the time was over."""

    inconclusive: int
    """How many further programs ran in batches without a conclusion."""

    minutes: float
    """The sum of the batches' time, investigations included, divided by the number of machines."""

    verdict: str = ""
    """The verdict on the finding; empty if nothing was found."""

    calls: tuple[str, ...] = ()
    """The calls of the finding, with the kinds of their arguments."""

    image: str = ""
    """The key of the kernel image."""

    seed_run: str = ""
    """The run from whose attacks the campaign started, without those that win where the defence is
    missing; empty if it started without attacks."""


class Rediscovered(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether a campaign finds a way in without a defence (harness/studies/rediscovery.py)."""

    line: str
    """The kernel line."""

    minutes: float
    """The time limit of each campaign, in minutes."""

    jobs: int
    """The machines of each campaign at a time."""

    has_seeds: bool
    """Whether the campaigns started from attacks."""

    without: dict[str, SearchResult] = {}
    """By defence. They may come from several machines, each with an image and a seed run of its
    own."""

    def can_add_to(self, other: Rediscovered) -> bool:
        """Return whether both were measured alike, whatever the defences."""
        return structs.replace(self, without={}) == structs.replace(other, without={})

    def with_result(self, defence: str, result: SearchResult) -> Rediscovered:
        """Return the same with the result of another campaign."""
        return structs.replace(self, without={**self.without, defence: result})


class DefenceSummary(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that was measured of the defences."""

    schema: int = DEFENCES_SCHEMA
    """The version of these fields, `DEFENCES_SCHEMA`."""

    alone: Alone | None = None
    """What each defence holds alone; null if that was not measured."""

    enough: dict[str, Enough] = {}
    """The smallest sets, by goal: `integrity`, `availability` or `all`."""

    round_trips: RoundTrips | None = None
    """What each defence costs a round trip; null if that was not measured."""

    rediscovered: Rediscovered | None = None
    """What campaigns find without each defence; null if that was not measured."""


def read_defences(path: Path) -> DefenceSummary:
    """Read the file. Raises UserError if it cannot be read, or is of another version."""
    wrong = "does not describe defences of this version"
    return read_record(path, DefenceSummary, schema=DEFENCES_SCHEMA, wrong=wrong, hint=_HINT)


def write_defences(path: Path, summary: DefenceSummary) -> None:
    """Write the file. Raises OSError."""
    write_atomically(path, json_text(summary))
