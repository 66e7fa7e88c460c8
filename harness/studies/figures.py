# SPDX-License-Identifier: GPL-2.0-only
"""The figures of `umd-harness bench` as a file, for others to quote.

One JSON object:

- `schema`: the number of this layout
- `line`, `facts`: the kernel line, and what was measured on what, as in a run's run.json
- `round_trip`: `ratio`, isolated over baseline, and its interval, from
  `ratio_low` to `ratio_high`, which has the true one with `confidence`; `limit`, and `is_within`,
  null if the interval has the limit inside; `baseline_us` and `isolated_us`, microseconds of a trip
  of `bytes` each way, first deciles like what the ratio is of; `ratio_of_medians` with an interval
  of the same kind; `trips_per_machine`; and each pair of machines in `pairs`
- `cells`: of each cell, and of `all cells` together, the seconds from the saved
  state and with a boot of its own, and the ratio of their medians; absent if they were not timed
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from harness.studies.bench import Measurement
    from harness.studies.round_trip import RoundTrip

SCHEMA = 1


def check_place(path: Path) -> None:
    """Raise UserError if no file can be at `path`: before minutes of measuring, not after."""
    if path.is_dir() or not path.parent.is_dir():
        what = "is a directory" if path.is_dir() else "is in a directory that is not there"
        raise UserError(f"{path} {what}", hint="name a file in a directory that is there")


def write_figures(
    path: Path,
    *,
    line: str,
    facts: Mapping[str, Any],
    round_trip: RoundTrip,
    cells: Sequence[Measurement] = (),
) -> None:
    """Write the file, whole or not at all. Raises OSError."""
    figures = {
        "schema": SCHEMA,
        "line": line,
        "facts": facts,
        "round_trip": round_trip.as_json(),
        **({"cells": [cell.as_json() for cell in cells]} if cells else {}),
    }
    scratch = path.with_name(f".{path.name}.new")
    try:
        scratch.write_text(json.dumps(figures, indent=1) + "\n")
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
