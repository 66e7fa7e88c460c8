# SPDX-License-Identifier: GPL-2.0-only
"""The cover letter: the purpose of the series, the results of a run, open holes, the cost."""

from __future__ import annotations

from string import Template
from typing import TYPE_CHECKING

from harness.export.measured import wrapped
from harness.host.errors import UserError
from harness.kernel.series.commits import Part
from harness.results.held_counts import DEFINITION

if TYPE_CHECKING:
    from pathlib import Path

    from harness.export.measured import MeasuredRun

TEMPLATE = "cover-letter.txt"
"""Its first line is the subject; `$base`, `$measured`, `$holes` and `$cost` are put in.

It lies beside the overlay: one for all kernel lines. That of a part is named after the part.
"""

_NOT_MEASURED = "not measured"


def cover_letter(
    patches: Path,
    *,
    part: Part | None = None,
    base: str,
    measured: MeasuredRun | None,
    series: str,
    cost: str = "",
) -> str:
    """Return the letter, its subject first. Raises UserError if the template cannot be used.

    `base` says what the series applies to. `series` is the hash of the series as it is now: the
    letter says so where the run measured another state of it. With a `part`, it is the letter of
    that part alone, and says that the run measured all parts together.
    """
    path = patches / (TEMPLATE if part is None else f"cover-{part}.txt")
    parts = {
        "base": wrapped(base),
        "measured": _NOT_MEASURED if measured is None else _matrix(measured, series, part),
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


def _matrix(measured: MeasuredRun, series: str, part: Part | None) -> str:
    said = [
        f"Run {measured.run}, kernel image {measured.image[:12]}: attacks held of attacks run.",
        f"{DEFINITION} The numbers in brackets count those attacks.",
    ]
    if part is not None:
        said.append(f"That kernel had all parts of the series together: {', '.join(Part)}.")
    if measured.series != series:
        said.append(
            "That kernel was built from another state of this series "
            f"({measured.series[:12]}, this one is {series[:12]})."
        )
    if measured.unexpected:
        said.append(f"Cells that did not come out as expected: {measured.unexpected}.")
    return f"{wrapped(' '.join(said))}\n\n{measured.table()}"
