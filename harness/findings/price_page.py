# SPDX-License-Identifier: GPL-2.0-only
"""The prices of the defences as the page of a run shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.findings.document import plain
from harness.findings.price_picture import svg
from harness.findings.price_table import price_rows, step_rows, together, trips_told
from harness.report.page.page import Prices

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.findings.price import Price
    from harness.results.defence_summary import DefenceSummary


def priced(defences: DefenceSummary, prices: Mapping[str, Price]) -> Prices:
    """Return the table, the steps and the picture; the last two only if attacks were counted."""
    alone, trips = defences.alone, defences.round_trips
    return Prices(
        rows=_plain(price_rows(defences, prices)),
        trips=trips_told(trips) if trips else "",
        steps=_plain(step_rows(alone, prices)) if alone else (),
        picture=svg(together(alone, prices), style="") if alone else "",
    )


def _plain(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[plain(field) for field in row] for row in rows]
