# SPDX-License-Identifier: GPL-2.0-only
"""Tables of series.toml: read, and checked for unknown keys."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def read_table(path: Path) -> dict[str, Any]:
    """Read a series.toml. Raises UserError if it is not TOML."""
    try:
        return tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path} is not TOML: {error}", hint="correct that line") from error


def check_keys(table: Mapping[str, Any], *, allowed: set[str], where: str) -> None:
    """Raise UserError for a key that is not allowed. `where` names the table for the error."""
    unknown = sorted(table.keys() - allowed)
    if unknown:
        raise UserError(
            f"{where} has an unknown key `{unknown[0]}`",
            hint="known are: " + ", ".join(sorted(allowed)),
        )
