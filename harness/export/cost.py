# SPDX-License-Identifier: GPL-2.0-only
"""The cost of the isolation as a cover letter quotes it, from a file of figures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from harness.host.errors import UserError
from harness.results.bench_figures import read_figures

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.results.bench_figures import BenchFigures


def cost(path: Path) -> str:
    """Return the lines about the cost. Raises UserError.

    The file is that of `umd-harness bench --output`, or a JSON object of names and figures.
    """
    try:
        found = json.loads(path.read_bytes())
        if isinstance(found, dict) and "schema" in found:
            return _in_columns(_facts(read_figures(path)))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}", hint="name a JSON file") from error
    try:
        return _in_columns(msgspec.convert(found, dict[str, str | int | float]))
    except msgspec.ValidationError as error:
        raise UserError(
            f"{path} is not a JSON object of names and figures: {error}",
            hint="name the file of `umd-harness bench --output`, or write an object such as "
            '{"round trip": "21.3 us"}',
        ) from error


def _facts(figures: BenchFigures) -> dict[str, str]:
    trip, facts = figures.round_trip, figures.facts
    return {
        "kernel image": facts.image[:12],
        "host": ", ".join(filter(None, (facts.host, facts.accelerator))),
        f"round trip of {trip.bytes} bytes": (
            f"{trip.isolated_us:.1f} us isolated, {trip.baseline_us:.1f} us before"
        ),
        "isolated over before": (
            f"{trip.ratio:.3f} ({trip.ratio_low:.3f} to {trip.ratio_high:.3f} "
            f"with {trip.confidence:.0%} confidence)"
        ),
        "measured on": f"{len(trip.pairs)} pairs of machines, {trip.trips_per_machine} trips each",
    }


def _in_columns(figures: Mapping[str, str | int | float]) -> str:
    width = max(map(len, figures), default=0)
    return "\n".join(f"{name.ljust(width)}  {figure}" for name, figure in figures.items())
