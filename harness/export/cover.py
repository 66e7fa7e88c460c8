# SPDX-License-Identifier: GPL-2.0-only
"""The cover letter: what the series does, what was measured, what is open, what it costs."""

from __future__ import annotations

from string import Template
from typing import TYPE_CHECKING

from harness.export.measured import wrapped
from harness.host.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from harness.export.measured import Measured

TEMPLATE = "cover-letter.txt"
"""Its first line is the subject; `$base`, `$measured`, `$holes` and `$cost` are put in.

It lies beside the overlay: one for all kernel lines.
"""

_NOT_MEASURED = "not measured"


def cover_letter(
    patches: Path,
    *,
    base: str,
    measured: Measured | None,
    series: str,
    cost: str = "",
) -> str:
    """Return the letter, its subject first. Raises UserError for a template that is not one.

    `base` says what it applies to; `series` is the hash of the series as it is now: a run of
    another state of it is said to be one.
    """
    path = patches / TEMPLATE
    parts = {
        "base": wrapped(base),
        "measured": _NOT_MEASURED if measured is None else _matrix(measured, series),
        "holes": _NOT_MEASURED if measured is None else measured.open_holes(),
        "cost": cost or _NOT_MEASURED,
    }
    try:
        return Template(path.read_text()).substitute(parts)
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror}", hint="restore it: git checkout"
        ) from error
    except (KeyError, ValueError) as error:
        raise UserError(
            f"{path} cannot be filled in: {error}",
            hint=f"known are: {', '.join(f'${name}' for name in parts)}",
        ) from error


def _matrix(measured: Measured, series: str) -> str:
    said = [f"Run {measured.run}, kernel image {measured.image[:12]}: attacks held of attacks run."]
    if measured.series != series:
        said.append(
            "That kernel was built from another state of this series "
            f"({measured.series[:12]}, this one is {series[:12]})."
        )
    if measured.unexpected:
        said.append(f"Cells that did not come out as expected: {measured.unexpected}.")
    return f"{wrapped(' '.join(said))}\n\n{measured.table()}"
