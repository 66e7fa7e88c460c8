# SPDX-License-Identifier: GPL-2.0-only
"""The ids that a scenario cites: rows of the attack surface, and what an attack answers."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

OWN = "own"
"""The `surface` of an attack that is on no row of the attack surface."""
REFERENCE = "reference"
"""The `surface` of the reference cells."""

ANSWERS = frozenset(
    [f"R{number}" for number in range(1, 17)]
    + [f"T{number}" for number in range(1, 16)]
    + [f"C{number}" for number in (*range(1, 9), *range(10, 16))]
    + [f"L{number}" for number in range(1, 7)]
)
"""The requirements, threats, counter-measures and objections of docs/reference/requirements.md."""


@cache
def class_of_row() -> Mapping[str, str]:
    """Return the class of each row of the attack surface, in the order of surface.toml."""
    parts = tomllib.loads(Path(__file__).with_name("surface.toml").read_text())
    return {row: str(part["about"]) for part in parts.values() for row in part["rows"]}
