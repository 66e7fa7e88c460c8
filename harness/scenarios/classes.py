# SPDX-License-Identifier: GPL-2.0-only
"""The classes of attacks: the parts of the attack surface, by subject."""

from __future__ import annotations

from harness.scenarios import EVERY, REFERENCES, SCENARIOS
from harness.scenarios.ids import class_of_row

BROUGHT = "brought along by a user"
"""The class of a scenario outside the corpus, or whose row the attack surface does not have."""


def classes() -> tuple[str, ...]:
    """Return the classes of the corpus, in their order."""
    return tuple(dict.fromkeys(class_of_row().values()))


def always_counted() -> tuple[str, ...]:
    """Return the classes that a table has even if a run has no attack of them, in their order.

    The others are the class of the scenarios that exist for a single kind of handler, and BROUGHT.
    """
    there = {class_of(attack) for attack in SCENARIOS.keys() - {*REFERENCES}}
    return tuple(name for name in classes() if name in there)


def class_of(name: str) -> str:
    """Return the class of a scenario. An unknown scenario of another run is a user's."""
    known = EVERY.get(name)
    return class_of_row().get(known.surface, BROUGHT) if known else BROUGHT
