# SPDX-License-Identifier: GPL-2.0-only
"""The figures file of `umd-harness bench --output`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET, structs

from harness.host.files import write_atomically
from harness.results.bench_figures import FIGURES_SCHEMA, BenchFigures
from harness.results.records import json_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from msgspec import Struct

    from harness.results.bench_figures import StudyFigures
    from harness.results.run_header import Provenance
    from harness.studies.bench import CellTimes
    from harness.studies.cut_short import CutShort
    from harness.studies.round_trip import RoundTrip


def write_figures(
    path: Path,
    *,
    line: str,
    facts: Provenance,
    round_trip: RoundTrip,
    cells: Sequence[CellTimes] = (),
    cut: CutShort | None,
) -> None:
    """Write the file of the times of cells and round trips. Raises OSError."""
    figures = BenchFigures(
        schema=FIGURES_SCHEMA,
        line=line,
        facts=facts,
        round_trip=round_trip.figures(),
        cells=tuple(cell.figures() for cell in cells) or UNSET,
    )
    write_study(path, figures, cut)


def write_study(path: Path, figures: StudyFigures, cut: CutShort | None) -> None:
    """Write the figures of a study, and by which error it was cut short. Raises OSError."""
    write_struct(path, structs.replace(figures, cut_short=cut.mark) if cut else figures)


def write_struct(path: Path, figures: Struct) -> None:
    """Write figures atomically, as JSON. Raises OSError."""
    write_atomically(path, json_text(figures))
