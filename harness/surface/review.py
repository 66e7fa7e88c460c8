# SPDX-License-Identifier: GPL-2.0-only
"""The reviewed opinions on the entries of each route, and the states that follow from them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

REVIEWED = Path(__file__).parent / "reviewed"


class Noise(StrEnum):
    """Why an entry gives no access to the handler. There are no other reasons."""

    SELF_ONLY = "self-only"
    READ_ONLY = "read-only"
    UNREACHABLE = "unreachable"
    BOOT_ONLY = "boot-only"

    @property
    def meaning(self) -> str:
        """The reason in words."""
        return _MEANINGS[self]


_MEANINGS = {
    Noise.SELF_ONLY: "acts on the caller, its children, or objects that the caller made",
    Noise.READ_ONLY: "changes no other task, and shows nothing of its memory",
    Noise.UNREACHABLE: "has no path to the handler in this configuration",
    Noise.BOOT_ONLY: "runs before there is a handler",
}


@dataclass(frozen=True)
class Opinion:
    """A reviewer's opinion on an entry: its `row` of the attack surface, or noise.

    Noise names the function at which the path from the entry ends.
    """

    row: str = ""
    noise: Noise | None = None
    end: str = ""


class EntryState(StrEnum):
    """The state of an entry after the count."""

    COVERED = "covered"
    NOISE = "noise"
    OPEN = "open"


@dataclass(frozen=True)
class Judged:
    """An entry, where it was found, its state and the reason; `row` if it is on one."""

    name: str
    where: str
    state: EntryState
    why: str
    row: str = ""
    is_new: bool = False


@dataclass(frozen=True)
class Review:
    """The opinions on one route's entries. A name with a `*` is a pattern for several."""

    route: str
    exact: Mapping[str, Opinion]
    patterns: Mapping[str, Opinion] = field(default_factory=dict)
    sometimes: frozenset[str] = frozenset()
    """Reviewed names that not every point release of the reviewed line has."""

    def of(self, name: str) -> Opinion | None:
        """Return the opinion on an entry, or None if it was not reviewed."""
        if name in self.exact:
            return self.exact[name]
        for pattern, opinion in self.patterns.items():
            if fnmatchcase(name, pattern):
                return opinion
        return None

    def stale(self, found: Collection[str]) -> list[str]:
        """Return the reviewed names that no entry has any more, without those of `sometimes`."""
        gone = [name for name in self.exact if name not in found and name not in self.sometimes]
        return gone + [p for p in self.patterns if not any(fnmatchcase(n, p) for n in found)]


def load_review(route: str, *, folder: Path = REVIEWED) -> Review:
    """Read a route's reviewed list. Raises UserError if the list breaks a rule."""
    path = folder / f"{route}.toml"
    try:
        tables = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}", hint="correct the file") from error
    opinions: dict[str, Opinion] = {}

    def add(names: list[str], opinion: Opinion) -> None:
        for name in names:
            if name in opinions:
                raise UserError(f"{path} lists {name} twice", hint="remove one of the two")
            opinions[name] = opinion

    sometimes = frozenset(tables.pop("sometimes", ()))
    for row, names in tables.pop("covered", {}).items():
        add(names, Opinion(row=row))
    for word, ends in tables.pop("noise", {}).items():
        if word not in set(Noise):
            raise UserError(
                f"{path} names the unknown class of noise {word!r}",
                hint=f"the classes are {', '.join(Noise)}",
            )
        for end, names in ends.items():
            add(names, Opinion(noise=Noise(word), end=end))
    if tables:
        raise UserError(
            f"{path} has the unknown table {next(iter(tables))!r}",
            hint="the tables are `covered` and `noise`",
        )
    if unknown := sometimes - opinions.keys():
        raise UserError(
            f"{path} has {min(unknown)} in `sometimes` alone", hint="review the entry as well"
        )
    patterns = {name: opinion for name, opinion in opinions.items() if "*" in name}
    exact = {name: opinion for name, opinion in opinions.items() if name not in patterns}
    return Review(route, exact, patterns, sometimes)


def judge(
    found: Mapping[str, str],
    review: Review,
    *,
    scenarios: Mapping[str, Collection[str]],
    functions: Collection[str],
) -> list[Judged]:
    """Judge a route's entries by its review.

    `scenarios` has the scenarios' names by row, and `functions` the names of the kernel's
    functions. Noise that ends at a function which the kernel does not have is open again.
    """
    judged = []
    for name, where in found.items():
        opinion = review.of(name)
        state, why = _judgement(opinion, scenarios, functions)
        row = opinion.row if opinion else ""
        judged.append(Judged(name, where, state, why, row, is_new=opinion is None))
    return judged


def _judgement(
    opinion: Opinion | None, scenarios: Mapping[str, Collection[str]], functions: Collection[str]
) -> tuple[EntryState, str]:
    if opinion is None:
        return EntryState.OPEN, "not reviewed"
    if opinion.noise is None:
        names = sorted(scenarios.get(opinion.row, ()))
        if not names:
            return EntryState.OPEN, f"no scenario is on the row {opinion.row}"
        return EntryState.COVERED, f"{opinion.row}: {', '.join(names)}"
    if opinion.end not in functions:
        return EntryState.OPEN, f"the review says it ends at {opinion.end}, which this kernel lacks"
    return EntryState.NOISE, f"{opinion.noise}, ends at {opinion.end}"
