# SPDX-License-Identifier: GPL-2.0-only
"""The figures of `bench --system`: what the series costs those who run no driver."""

from __future__ import annotations

from msgspec import Struct

from harness.results.bench_figures import StudyFigures


class OperationFigures(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The instructions of one operation of the kernel's (harness/studies/system_cost.py)."""

    name: str
    """The operation, as guest-images/payloads/system_cost.c names it."""

    stock_instructions: float
    """Median of the machines with the stock kernel."""

    series_instructions: float
    """Median of the machines whose kernel has the series."""

    ratio: float
    """Median of the pairs' ratios, series over stock."""

    ratio_low: float
    """The lower end of the interval of `ratio`."""

    ratio_high: float
    """The upper end of the interval of `ratio`."""

    confidence: float
    """The least probability with which the interval holds the true ratio."""

    limit: float
    """The highest ratio that the series may cost."""

    is_within: bool | None
    """Whether the ratio keeps to `limit`; null if the interval includes it."""

    pairs: tuple[tuple[float, float], ...]
    """The instructions on the two machines of each pair, the stock kernel's first."""


class SystemFigures(StudyFigures, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that `umd-harness bench --system` counted.

    The `facts` are those of the kernel with the series.
    """

    stock_image: str
    """The key of the stock kernel's image."""

    operations: tuple[OperationFigures, ...]
    """Each operation, in the order in which it was counted."""
