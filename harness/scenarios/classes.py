# SPDX-License-Identifier: GPL-2.0-only
"""The classes of attacks: the parts of the attack surface, by subject."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from harness.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Mapping

BROUGHT = "brought along by a user"
"""The class of a scenario outside the corpus, or whose row the attack surface does not have."""


@cache
def class_of_row() -> Mapping[str, str]:
    """Return the class of each row of the attack surface, in the order of surface.toml."""
    parts = tomllib.loads(Path(__file__).with_name("surface.toml").read_text())
    return {row: str(part["about"]) for part in parts.values() for row in part["rows"]}


def classes() -> tuple[str, ...]:
    """Return the classes of the corpus, in their order."""
    return tuple(dict.fromkeys(class_of_row().values()))


def class_of(name: str) -> str:
    """Return the class of a scenario. An unknown scenario of another run is a user's."""
    known = SCENARIOS.get(name)
    return class_of_row().get(known.surface, BROUGHT) if known else BROUGHT
